/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading directories. */
#include <dirent.h>
#include <sys/syscall.h>

#include "fsops.h"

#define SOME 2000

static void make_files(unsigned int n)
{
	char name[32];

	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		OK(close(fs_open(name, O_WRONLY | O_CREAT | O_EXCL, 0600)));
	}
}

/* Counts the entries "f<number>" below max; every one must come once, none may be foreign. */
static unsigned int count_once(DIR *d, unsigned int max, unsigned char *seen)
{
	unsigned int n = 0, nr, dots = 0;
	struct dirent *e;
	char *end;

	memset(seen, 0, max);
	while (errno = 0, (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.') {
			dots++;
			continue;
		}
		nr = (unsigned int)strtoul(e->d_name + 1, &end, 10);
		if (e->d_name[0] != 'f' || *end != 0 || nr >= max)
			fs_fail(__FILE__, __LINE__, "foreign entry \"%s\"", e->d_name);
		if (seen[nr]++)
			fs_fail(__FILE__, __LINE__, "entry \"%s\" twice", e->d_name);
		n++;
	}
	EQ(errno, 0);
	EQ(dots, 2);
	return n;
}

static DIR *open_dir(const char *name)
{
	DIR *d = opendir(name);

	TRUE(d != NULL);
	return d;
}

static void dir_types(void)
{
	static const struct { const char *name; unsigned char type; } want[] = {
		{ "file", DT_REG }, { "dir", DT_DIR }, { "link", DT_LNK }, { "fifo", DT_FIFO },
		{ ".", DT_DIR }, { "..", DT_DIR },
	};
	unsigned int found = 0;
	struct dirent *e;
	DIR *d;

	fs_put("file", "");
	OK(mkdir("dir", 0755));
	OK(symlink("x", "link"));
	OK(mkfifo("fifo", 0600));
	d = open_dir(".");
	while ((e = readdir(d)) != NULL) {
		for (unsigned int i = 0; i < 6; i++) {
			if (strcmp(e->d_name, want[i].name) != 0)
				continue;
			found |= 1u << i;
			TRUE(e->d_type == want[i].type || e->d_type == DT_UNKNOWN);
			if (i < 4)
				EQ(e->d_ino, fs_lstat(e->d_name).st_ino);
		}
	}
	EQ(found, 0x3f);
	closedir(d);
}

static void dir_empty(void)
{
	unsigned char seen[1];
	DIR *d;

	OK(mkdir("d", 0755));
	d = open_dir("d");
	EQ(count_once(d, 1, seen), 0);
	TRUE(readdir(d) == NULL);
	closedir(d);
	fs_put("f", "");
	TRUE(opendir("f") == NULL && errno == ENOTDIR);
	TRUE(opendir("none") == NULL && errno == ENOENT);
}

static void dir_rewind(void)
{
	static unsigned char seen[50];
	DIR *d;

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	make_files(20);
	d = open_dir(".");
	EQ(count_once(d, 50, seen), 20);
	OK(unlink("f3"));
	OK(close(fs_open("f30", O_WRONLY | O_CREAT, 0600)));
	rewinddir(d);
	EQ(count_once(d, 50, seen), 20);
	EQ(seen[3], 0);
	EQ(seen[30], 1);
	closedir(d);
}

/* Every position told by telldir leads back to the entry that followed it. */
static void dir_seek(void)
{
	enum { N = 300 };
	static long pos[N];
	static char names[N][32];
	struct dirent *e;
	unsigned int n;
	DIR *d;

	make_files(N - 2);
	d = open_dir(".");
	for (n = 0; n < N; n++) {
		pos[n] = telldir(d);
		e = readdir(d);
		TRUE(e != NULL);
		snprintf(names[n], sizeof(names[n]), "%.31s", e->d_name);
	}
	TRUE(readdir(d) == NULL);
	for (unsigned int i = 0; i < N; i++) {
		n = (i * 37) % N;
		seekdir(d, pos[n]);
		e = readdir(d);
		TRUE(e != NULL);
		TRUE(strcmp(e->d_name, names[n]) == 0);
	}
	closedir(d);
}

static void dir_delete_while_reading(void)
{
	unsigned int removed = 0;
	struct dirent *e;
	DIR *d;

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	make_files(SOME);
	d = open_dir(".");
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == 'f') {
			OK(unlink(e->d_name));
			removed++;
		}
	}
	closedir(d);
	EQ(removed, SOME);
	OK(chdir(".."));
	OK(rmdir("d"));
}

/* Files that stay must be seen once, whatever comes and goes beside them. */
static void dir_create_while_reading(void)
{
	enum { STAY = 400, MAX = 2000 };
	static unsigned char seen[MAX];
	unsigned int n = 0, nr, stay = 0;
	struct dirent *e;
	char name[32];
	DIR *d;

	make_files(STAY);
	d = open_dir(".");
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != 'f')
			continue;
		nr = (unsigned int)strtoul(e->d_name + 1, NULL, 10);
		TRUE(nr < MAX);
		EQ(seen[nr]++, 0);
		stay += nr < STAY;
		if (n++ % 4 == 0 && STAY + n < MAX) {
			snprintf(name, sizeof(name), "f%u", STAY + n);
			OK(close(fs_open(name, O_WRONLY | O_CREAT, 0600)));
		}
	}
	closedir(d);
	EQ(stay, STAY);
}

/* Small buffers: the kernel asks the file system for little at a time and resumes often. */
static void dir_small_buffer(void)
{
	enum { N = 200 };
	static unsigned char seen[N];
	unsigned int n = 0, nr;
	unsigned short reclen;
	long got, at;
	char buf[120];
	int fd;

	make_files(N);
	fd = fs_open(".", O_RDONLY | O_DIRECTORY, 0);
	while ((got = OK(syscall(SYS_getdents64, fd, buf, sizeof(buf)))) > 0) {
		for (at = 0; at < got; at += reclen) {
			/* struct linux_dirent64: the length is at 16, the name at 19. */
			memcpy(&reclen, buf + at + 16, sizeof(reclen));
			if (buf[at + 19] != 'f')
				continue;
			nr = (unsigned int)strtoul(buf + at + 20, NULL, 10);
			TRUE(nr < N);
			EQ(seen[nr]++, 0);
			n++;
		}
	}
	EQ(n, N);
	OK(lseek(fd, 0, SEEK_SET));
	ERR(syscall(SYS_getdents64, fd, buf, 8), EINVAL);
}

static void dir_long_names(void)
{
	unsigned int n = 0;
	char name[256];
	struct dirent *e;
	DIR *d;

	for (unsigned int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%0255u", i);
		OK(close(fs_open(name, O_WRONLY | O_CREAT, 0600)));
	}
	d = open_dir(".");
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		EQ(strlen(e->d_name), 255);
		n++;
	}
	closedir(d);
	EQ(n, 100);
}

static void dir_big(void)
{
	unsigned char *seen;
	char name[64];
	DIR *d;

	if (fs_big_dir == NULL)
		fs_skip("no big directory prepared");
	seen = fs_alloc(fs_big_count);
	d = open_dir(fs_big_dir);
	EQ(count_once(d, fs_big_count, seen), fs_big_count);
	rewinddir(d);
	EQ(count_once(d, fs_big_count, seen), fs_big_count);
	closedir(d);
	OK(chdir(fs_big_dir));
	for (unsigned int i = 0; i < fs_big_count; i += fs_big_count / 500 + 1) {
		snprintf(name, sizeof(name), "f%u", i);
		EQ(S_ISREG(fs_lstat(name).st_mode), 1);
	}
	snprintf(name, sizeof(name), "f%u", fs_big_count);
	ERR(access(name, F_OK), ENOENT);
}

const struct fs_case fs_cases_dir[] = {
	{ "dir_types", dir_types },
	{ "dir_empty", dir_empty },
	{ "dir_rewind", dir_rewind },
	{ "dir_seek", dir_seek },
	{ "dir_delete_while_reading", dir_delete_while_reading },
	{ "dir_create_while_reading", dir_create_while_reading },
	{ "dir_small_buffer", dir_small_buffer },
	{ "dir_long_names", dir_long_names },
	{ "dir_big", dir_big },
	{ NULL, NULL },
};
