/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocation, holes, statx, statfs, file attributes. */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "posix.h"

#define BLOCK 65536

static int filled(const char *name, size_t blocks)
{
	int fd = (int)NEED(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
	char *buf = px_alloc(BLOCK);

	for (size_t i = 0; i < blocks; i++) {
		memset(buf, 'a' + (int)i, BLOCK);
		NEED(pwrite(fd, buf, BLOCK, (off_t)(i * BLOCK)));
	}
	NEED(fsync(fd));
	free(buf);
	return fd;
}

/* The byte at pos, -1 beyond the end. */
static int at(int fd, off_t pos)
{
	unsigned char c;

	return pread(fd, &c, 1, pos) == 1 ? c : -1;
}

static void space_allocate(void)
{
	int fd = filled("f", 1);
	long blocks = px_stat("f").st_blocks;

	CALL("fallocate(2): mode 0", 0, fallocate(fd, 0, 0, 4 * BLOCK));
	SAME("fallocate(2): the size becomes offset plus len", px_stat("f").st_size, 4 * BLOCK);
	HOLDS("fallocate(2): the blocks are allocated",
	      px_stat("f").st_blocks >= blocks + 3 * BLOCK / 512);
	SAME("fallocate(2): existing data is not changed", at(fd, 10), 'a');
	SAME("fallocate(2): the new range reads as zero", at(fd, 3 * BLOCK), 0);
	CALL("fallocate(2): inside the file", 0, fallocate(fd, 0, 0, BLOCK));
	SAME("fallocate(2): the size stays", px_stat("f").st_size, 4 * BLOCK);
	CALL("fallocate(2) KEEP_SIZE: beyond the end", 0,
	     fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8 * BLOCK));
	SAME("fallocate(2) KEEP_SIZE: the size stays", px_stat("f").st_size, 4 * BLOCK);
	SAME("posix_fallocate(3): grows the file", -posix_fallocate(fd, 0, 5 * BLOCK), 0);
	SAME("posix_fallocate(3): the size", px_stat("f").st_size, 5 * BLOCK);
}

static void space_punch(void)
{
	int fd = filled("f", 4), mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	long blocks = px_stat("f").st_blocks;

	CALL("fallocate(2) PUNCH_HOLE: a block", 0, fallocate(fd, mode, BLOCK, BLOCK));
	SAME("fallocate(2) PUNCH_HOLE: the size stays", px_stat("f").st_size, 4 * BLOCK);
	HOLDS("fallocate(2) PUNCH_HOLE: space is deallocated", px_stat("f").st_blocks < blocks);
	SAME("fallocate(2) PUNCH_HOLE: subsequent reads return zeros",
	     at(fd, BLOCK) | at(fd, 2 * BLOCK - 1), 0);
	SAME("fallocate(2) PUNCH_HOLE: the byte before", at(fd, BLOCK - 1), 'a');
	SAME("fallocate(2) PUNCH_HOLE: the byte after", at(fd, 2 * BLOCK), 'c');
	CALL("fallocate(2) PUNCH_HOLE: within one page", 0, fallocate(fd, mode, 100, 50));
	SAME("fallocate(2) PUNCH_HOLE: partial blocks are zeroed", at(fd, 100) | at(fd, 149), 0);
	SAME("fallocate(2) PUNCH_HOLE: exactly those", at(fd, 99) + at(fd, 150), 2 * 'a');
	CALL("fallocate(2) PUNCH_HOLE: beyond the end", 0, fallocate(fd, mode, 10 * BLOCK, BLOCK));
	SAME("fallocate(2) PUNCH_HOLE: does not grow", px_stat("f").st_size, 4 * BLOCK);
	CALL("fallocate(2) PUNCH_HOLE: over the end", 0,
	     fallocate(fd, mode, 4 * BLOCK - 10, BLOCK));
	SAME("fallocate(2) PUNCH_HOLE: the last bytes", at(fd, 4 * BLOCK - 1), 0);
	SAME("fallocate(2) PUNCH_HOLE: the size stays", px_stat("f").st_size, 4 * BLOCK);
}

static void space_zero_range(void)
{
	int fd = filled("f", 4);

	if (fallocate(fd, FALLOC_FL_ZERO_RANGE, BLOCK, BLOCK) < 0 && errno == EOPNOTSUPP)
		px_skip("no ZERO_RANGE on this file system");
	SAME("fallocate(2) ZERO_RANGE: the range reads as zero",
	     at(fd, BLOCK) | at(fd, 2 * BLOCK - 1), 0);
	SAME("fallocate(2) ZERO_RANGE: the byte before", at(fd, BLOCK - 1), 'a');
	SAME("fallocate(2) ZERO_RANGE: the byte after", at(fd, 2 * BLOCK), 'c');
	CALL("fallocate(2) ZERO_RANGE: beyond the end grows", 0,
	     fallocate(fd, FALLOC_FL_ZERO_RANGE, 3 * BLOCK, 2 * BLOCK));
	SAME("fallocate(2) ZERO_RANGE: the size", px_stat("f").st_size, 5 * BLOCK);
	CALL("fallocate(2) ZERO_RANGE KEEP_SIZE: beyond the end", 0,
	     fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 4 * BLOCK, 4 * BLOCK));
	SAME("fallocate(2) ZERO_RANGE KEEP_SIZE: the size stays", px_stat("f").st_size, 5 * BLOCK);
}

static void space_holes(void)
{
	int fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0600));
	char *buf = px_alloc(BLOCK);

	memset(buf, 'd', BLOCK);
	NEED(pwrite(fd, buf, BLOCK, 4 * BLOCK));
	NEED(pwrite(fd, buf, BLOCK, 12 * BLOCK));
	NEED(ftruncate(fd, 16 * BLOCK));
	NEED(fsync(fd));
	HOLDS("stat(2): a sparse file has fewer blocks than bytes",
	      px_stat("f").st_blocks < 16 * BLOCK / 512);
	SAME("lseek(2) SEEK_DATA: the next data", lseek(fd, 0, SEEK_DATA), 4 * BLOCK);
	SAME("lseek(2) SEEK_DATA: an offset that points to data",
	     lseek(fd, 4 * BLOCK + 5, SEEK_DATA), 4 * BLOCK + 5);
	SAME("lseek(2) SEEK_HOLE: an offset inside a hole", lseek(fd, 100, SEEK_HOLE), 100);
	SAME("lseek(2) SEEK_HOLE: the next hole", lseek(fd, 4 * BLOCK, SEEK_HOLE), 5 * BLOCK);
	SAME("lseek(2) SEEK_DATA: behind that hole", lseek(fd, 5 * BLOCK, SEEK_DATA), 12 * BLOCK);
	SAME("lseek(2) SEEK_HOLE: the second one", lseek(fd, 12 * BLOCK, SEEK_HOLE), 13 * BLOCK);
	CALL("lseek(2) ENXIO: no data behind", ENXIO, lseek(fd, 13 * BLOCK, SEEK_DATA));
	CALL("lseek(2) ENXIO: SEEK_DATA at the end", ENXIO, lseek(fd, 16 * BLOCK, SEEK_DATA));
	SAME("lseek(2) SEEK_HOLE: the file offset is adjusted",
	     (lseek(fd, 0, SEEK_HOLE), lseek(fd, 0, SEEK_CUR)), 0);
	NEED(pwrite(fd, buf, BLOCK, 15 * BLOCK));
	SAME("lseek(2) SEEK_HOLE: the end of file is a hole", lseek(fd, 15 * BLOCK, SEEK_HOLE),
	     16 * BLOCK);
	free(buf);
}

static void space_statx(void)
{
	static const char *const kinds[] = { "file", "dir", "link", "fifo" };
	struct statx sx;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *k = kinds[i];

		px_make(k, "f");
		st = px_stat("f");
		CALL(px_law("statx(2): a %s", k), 0,
		     statx(AT_FDCWD, "f", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
			   &sx));
		SAME(px_law("statx(2): all basic fields are filled (%s)", k),
		     sx.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
		SAME(px_law("statx(2): mode (%s)", k), sx.stx_mode, st.st_mode);
		SAME(px_law("statx(2): inode (%s)", k), sx.stx_ino, st.st_ino);
		SAME(px_law("statx(2): links (%s)", k), sx.stx_nlink, st.st_nlink);
		SAME(px_law("statx(2): size (%s)", k), sx.stx_size, st.st_size);
		SAME(px_law("statx(2): owner and group (%s)", k), sx.stx_uid + sx.stx_gid,
		     st.st_uid + st.st_gid);
		SAME(px_law("statx(2): device (%s)", k),
		     makedev(sx.stx_dev_major, sx.stx_dev_minor), st.st_dev);
		SAME(px_law("statx(2): modification (%s)", k), sx.stx_mtime.tv_nsec,
		     st.st_mtim.tv_nsec);
		px_remove("f");
	}
	px_put("f", "x");
	NEED(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &sx));
	CALL("statx(2) EINVAL: a reserved flag", EINVAL, statx(AT_FDCWD, "f", 0x40000000, 0, &sx));
	CALL("statx(2) EINVAL: a reserved mask bit", EINVAL,
	     statx(AT_FDCWD, "f", 0, 0x80000000, &sx));
	CALL("statx(2): AT_STATX_FORCE_SYNC", 0,
	     statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_SIZE, &sx));
	CALL("statx(2): AT_STATX_DONT_SYNC", 0,
	     statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, STATX_SIZE, &sx));
	CALL("statx(2): AT_EMPTY_PATH", 0,
	     statx(open("f", O_PATH), "", AT_EMPTY_PATH, STATX_SIZE, &sx));
	SAME("statx(2): the size of the open file", sx.stx_size, 1);
}

static void space_birth(void)
{
	struct statx a, b;

	px_put("f", "x");
	NEED(statx(AT_FDCWD, "f", 0, STATX_BTIME, &a));
	if (!(a.stx_mask & STATX_BTIME))
		px_skip("no time of birth on this file system");
	px_msleep(25);
	px_put("f", "longer");
	NEED(chmod("f", 0600));
	NEED(rename("f", "g"));
	NEED(statx(AT_FDCWD, "g", 0, STATX_BTIME, &b));
	HOLDS("statx(2): the time of birth does not change",
	      a.stx_btime.tv_sec == b.stx_btime.tv_sec &&
		      a.stx_btime.tv_nsec == b.stx_btime.tv_nsec);
	HOLDS("statx(2): and is a time", a.stx_btime.tv_sec > 1000000000);
}

static void space_statfs(void)
{
	struct statvfs a, b;
	struct statfs sfs;

	px_put("f", "x");
	CALL("statvfs(3): a directory", 0, statvfs(".", &a));
	CALL("statvfs(3): a file", 0, statvfs("f", &b));
	SAME("statvfs(3): of the same file system", a.f_blocks, b.f_blocks);
	SAME("statvfs(3): f_namemax is NAME_MAX", a.f_namemax, 255);
	HOLDS("statvfs(3): block sizes", a.f_bsize >= 512 && a.f_frsize >= 512);
	HOLDS("statvfs(3): free is not more than all",
	      a.f_bfree <= a.f_blocks && a.f_bavail <= a.f_bfree);
	HOLDS("statvfs(3): free inodes are not more than all", a.f_ffree <= a.f_files);
	CALL("statfs(2): the file system", 0, statfs(".", &sfs));
	HOLDS("statfs(2): has a type", sfs.f_type != 0);
	SAME("pathconf(3): _PC_NAME_MAX", pathconf(".", _PC_NAME_MAX), 255);
	SAME("pathconf(3): _PC_PATH_MAX", pathconf(".", _PC_PATH_MAX), 4096);
	HOLDS("pathconf(3): _PC_LINK_MAX", pathconf(".", _PC_LINK_MAX) >= 8);
	SAME("pathconf(3): _PC_NO_TRUNC", pathconf(".", _PC_NO_TRUNC), 1);
	SAME("pathconf(3): _PC_CHOWN_RESTRICTED", pathconf(".", _PC_CHOWN_RESTRICTED), 1);
}

static void space_ioctl_flags(void)
{
	int fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0644)), flags = 0, back = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		px_skip("no FS_IOC_GETFLAGS on this file system");
	CALL("ioctl_iflags(2) FS_IOC_GETFLAGS: works", 0, ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags |= FS_NODUMP_FL;
	CALL("ioctl_iflags(2) FS_IOC_SETFLAGS: no dump", 0, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	NEED(ioctl(fd, FS_IOC_GETFLAGS, &back));
	SAME("ioctl_iflags(2) FS_IOC_SETFLAGS: is kept", back & FS_NODUMP_FL, FS_NODUMP_FL);
	flags |= FS_APPEND_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0) {
		CALL("ioctl_iflags(2) FS_APPEND_FL EPERM: open for writing without O_APPEND", EPERM,
		     open("f", O_WRONLY));
		CALL("ioctl_iflags(2) FS_APPEND_FL: open for appending", 0,
		     open("f", O_WRONLY | O_APPEND));
		CALL("ioctl_iflags(2) FS_APPEND_FL EPERM: truncate", EPERM, truncate("f", 0));
		CALL("ioctl_iflags(2) FS_APPEND_FL EPERM: unlink", EPERM, unlink("f"));
		flags = (flags & ~FS_APPEND_FL) | FS_IMMUTABLE_FL;
		CALL("ioctl_iflags(2) FS_IMMUTABLE_FL: set", 0, ioctl(fd, FS_IOC_SETFLAGS, &flags));
		CALL("ioctl_iflags(2) FS_IMMUTABLE_FL EPERM: chmod", EPERM, chmod("f", 0600));
		CALL("ioctl_iflags(2) FS_IMMUTABLE_FL EPERM: link", EPERM, link("f", "g"));
		CALL("ioctl_iflags(2) FS_IMMUTABLE_FL EPERM: rename", EPERM, rename("f", "g"));
		CALL("ioctl_iflags(2) FS_IMMUTABLE_FL EPERM: open for writing", EPERM,
		     open("f", O_WRONLY));
	}
	flags &= ~(FS_APPEND_FL | FS_IMMUTABLE_FL);
	NEED(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	CALL("ioctl_iflags(2): the file is free again", 0, unlink("f"));
}

const struct px_topic px_topics_space[] = {
	{ "space_allocate", space_allocate },
	{ "space_punch", space_punch },
	{ "space_zero_range", space_zero_range },
	{ "space_holes", space_holes },
	{ "space_statx", space_statx },
	{ "space_birth", space_birth },
	{ "space_statfs", space_statfs },
	{ "space_ioctl_flags", space_ioctl_flags },
	{ NULL, NULL },
};
