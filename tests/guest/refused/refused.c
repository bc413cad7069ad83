/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In the guest, on a file system whose server says no: full, over its quota, or without the export.
 *
 *   refused fill DIR UID ENOSPC|EDQUOT write|fsync   as that user, until it is full, by write() or through a
 *                                                    mapping; write or fsync has to say so
 *   refused confirmed DIR                            what fsync confirmed is there
 *   refused again DIR UID                            with room made, it goes on where it was
 *   refused export DIR CONTROL                       the export goes and comes back, as CONTROL says
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536
#define MOST_BLOCKS 1024u
#define NOTES "/tmp/confirmed"
#define PATIENCE_S 120

static char block[BLOCK];

static void give_up(const char *what)
{
	printf("not ok - %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(bool good, const char *what)
{
	if (!good)
		give_up(what);
}

static void stamp(unsigned int nr)
{
	for (size_t i = 0; i < BLOCK; i += sizeof(nr))
		memcpy(block + i, &nr, sizeof(nr));
}

static void become(const char *uid)
{
	unsigned int id = (unsigned int)atoi(uid);

	must(!setresgid(id, id, id) && !setresuid(id, id, id), "becoming the user");
}

static unsigned int noted(void)
{
	unsigned int nr = 0;
	FILE *f = fopen(NOTES, "r");

	must(f && fscanf(f, "%u", &nr) == 1, "reading " NOTES);
	fclose(f);
	return nr;
}

static void note(unsigned int nr)
{
	FILE *f = fopen(NOTES, "w");

	must(f && fprintf(f, "%u\n", nr) > 0 && !fclose(f), "writing " NOTES);
}

static void put_block(int fd, unsigned int nr)
{
	stamp(nr);
	must(pwrite(fd, block, BLOCK, (off_t)nr * BLOCK) == BLOCK, "write");
}

static void make_filler(void)
{
	int fd = open("filler", O_WRONLY | O_CREAT, 0644);

	must(fd >= 0, "creating the filler");
	for (unsigned int i = 0; i < 16; i++)
		put_block(fd, i);
	must(!fsync(fd) && !close(fd), "fsync of the filler");
}

/* Short writes are fine, as the rest is refused then. */
static int write_block(int fd, unsigned int nr)
{
	ssize_t rc = pwrite(fd, block, BLOCK, (off_t)nr * BLOCK);

	if (rc >= 0 && rc < BLOCK)
		rc = pwrite(fd, block + rc, (size_t)(BLOCK - rc), (off_t)nr * BLOCK + rc);
	return rc < 0 ? -1 : 0;
}

static int map_block(int fd, unsigned int nr)
{
	void *p = MAP_FAILED;

	if (!ftruncate(fd, (off_t)(nr + 1) * BLOCK))
		p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)nr * BLOCK);
	must(p != MAP_FAILED, "mmap");
	memcpy(p, block, BLOCK);
	return munmap(p, BLOCK);
}

/* Returns the call that failed, with errno. */
static const char *fill(int fd, int (*put)(int, unsigned int), unsigned int *confirmed)
{
	*confirmed = 0;
	for (unsigned int nr = 0; nr < MOST_BLOCKS; nr++) {
		stamp(nr);
		if (put(fd, nr))
			return "write";
		if (nr % 4 != 3)
			continue;
		if (fsync(fd))
			return "fsync";
		*confirmed = nr + 1;
	}
	return "never";
}

static int cmd_fill(char **args)
{
	int want = !strcmp(args[1], "EDQUOT") ? EDQUOT : ENOSPC, fd, err;
	unsigned int confirmed;
	const char *call;

	become(args[0]);
	make_filler();
	fd = open("big", O_RDWR | O_CREAT, 0644);
	must(fd >= 0, "creating");
	call = fill(fd, !strcmp(args[2], "write") ? write_block : map_block, &confirmed);
	err = errno;
	close(fd);
	note(confirmed);
	printf("%u blocks confirmed, then %s: %s\n", confirmed, call, strerror(err));
	if (err == want && !strcmp(call, args[2]) && confirmed)
		return 0;
	printf("not ok - it is %s that should say %s\n", args[2], args[1]);
	return 1;
}

static void expect_block(int fd, unsigned int nr)
{
	static char got[BLOCK];

	stamp(nr);
	must(pread(fd, got, BLOCK, (off_t)nr * BLOCK) == BLOCK, "reading back");
	errno = EILSEQ;
	must(!memcmp(got, block, BLOCK), "what is read back");
}

static int cmd_confirmed(char **args)
{
	unsigned int nr = noted();
	int fd = open("big", O_RDONLY);

	(void)args;
	must(fd >= 0, "opening");
	while (nr-- > 0)
		expect_block(fd, nr);
	return 0;
}

static int cmd_again(char **args)
{
	unsigned int from = noted();
	int fd;

	become(args[0]);
	must(!unlink("filler"), "removing the filler");
	fd = open("big", O_RDWR);
	must(fd >= 0, "opening");
	for (unsigned int nr = from; nr < from + 8; nr++)
		put_block(fd, nr);
	must(!fsync(fd) && !close(fd), "fsync");
	note(from + 8);
	return 0;
}

/* ---- an export that goes and comes back ---- */

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
}

static void say(const char *control, const char *word)
{
	char name[256];
	int fd;

	snprintf(name, sizeof(name), "%s/%s", control, word);
	fd = open(name, O_WRONLY | O_CREAT, 0644);
	must(fd >= 0 && !close(fd), word);
}

static void await(const char *control, const char *word)
{
	time_t end = time(NULL) + PATIENCE_S;
	char name[256];

	snprintf(name, sizeof(name), "%s/%s", control, word);
	errno = ETIME;
	while (access(name, F_OK)) {
		must(time(NULL) < end, word);
		nap();
	}
}

static bool refused(int rc)
{
	return rc < 0 && (errno == ESTALE || errno == EACCES);
}

static int write_through(int fd, const char *text, off_t at)
{
	return pwrite(fd, text, strlen(text), at) < 0 ? -1 : fsync(fd);
}

static void expect_text(const char *text)
{
	char got[64] = "";
	int fd = open("kept", O_RDONLY);

	must(fd >= 0 && read(fd, got, sizeof(got) - 1) >= 0 && !close(fd), "reading what was confirmed");
	errno = EILSEQ;
	must(!strcmp(got, text), "what was confirmed");
}

static int cmd_export(char **args)
{
	int fd = open("kept", O_RDWR | O_CREAT, 0644), rc;
	time_t end;
	struct stat st;

	must(fd >= 0 && !write_through(fd, "before", 0), "writing before");
	say(args[0], "export-used");
	await(args[0], "export-gone");
	must(refused(write_through(fd, "lost", 6)), "write and fsync without an export: should be ESTALE or EACCES");
	printf("an open file: %s\n", strerror(errno));
	must(refused(stat("other", &st)), "a name without an export: should be ESTALE or EACCES");
	printf("a name: %s\n", strerror(errno));
	must(refused(mkdir("new", 0755)), "a new name without an export: should be ESTALE or EACCES");
	say(args[0], "export-missed");
	await(args[0], "export-back");
	/* What was lost meanwhile has been said, at most once more. */
	end = time(NULL) + PATIENCE_S;
	while ((rc = write_through(fd, "after", 6)) && time(NULL) < end)
		nap();
	must(!rc && !close(fd), "the open file with the export back");
	expect_text("beforeafter");
	must(!mkdir("new", 0755) && !rmdir("new"), "a new name with the export back");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int nr_args;
		int (*run)(char **args);
	} commands[] = { { "fill", 3, cmd_fill }, { "confirmed", 0, cmd_confirmed }, { "again", 1, cmd_again },
			 { "export", 1, cmd_export } };

	setvbuf(stdout, NULL, _IONBF, 0);
	umask(0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && argc > 2; i++)
		if (!strcmp(argv[1], commands[i].name) && argc == 3 + commands[i].nr_args) {
			must(!chdir(argv[2]), argv[2]);
			return commands[i].run(argv + 3);
		}
	fprintf(stderr, "usage: refused fill|confirmed|again|export DIR...\n");
	return 2;
}
