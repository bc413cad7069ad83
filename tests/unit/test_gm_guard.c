/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that is taken away under its mapping. Every case runs in a child, because the handler is
 * installed once a process, and some cases are about its end. The children start from the default
 * action: a sanitizer that has a handler of its own is not what is tested.
 */
#include <errno.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "softdpu_ext.h"
#include "virtio/gm_guard.h"
#include "vdrv.h"

#define PAGE 4096u
#define EXIT_OK 0
#define EXIT_BAD 1
#define EXIT_HANDLER 42

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond);                         \
			_exit(EXIT_BAD);                                                           \
		}                                                                                  \
	} while (0)

static int in_child(void (*run)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGBUS, SIG_DFL);
		run();
		_exit(EXIT_OK);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_good(void (*run)(void))
{
	assert_int_equal(in_child(run), 0);
}

static int file_of(size_t len)
{
	int fd = memfd_create("test_gm_guard", MFD_CLOEXEC);

	CHECK(fd >= 0 && !ftruncate(fd, (off_t)len));
	return fd;
}

static struct gm_map *map_of(int fd, uint64_t offset, size_t len)
{
	struct gm_map *map = NULL;

	CHECK(!gm_map_fd(fd, offset, len, true, &map));
	return map;
}

/* Accesses that the compiler cannot leave out, from any thread. */
static void poke(uint8_t *p, uint8_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static uint8_t peek(const uint8_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void run_truncated(void)
{
	int fd = file_of(8 * PAGE), other_fd = file_of(8 * PAGE);
	struct gm_map *map = map_of(fd, 0, 8 * PAGE), *other = map_of(other_fd, 0, 8 * PAGE);
	uint8_t *p = gm_map_base(map), *q = gm_map_base(other), byte = 0;
	unsigned int before;

	CHECK(softdpu_guard_guest_memory() == DOCA_SUCCESS);
	CHECK(softdpu_guard_guest_memory() == DOCA_SUCCESS);
	before = gm_guard_nr_faults();
	memset(p, 'a', 8 * PAGE);
	memset(q, 'b', 8 * PAGE);
	CHECK(!ftruncate(fd, 2 * PAGE));
	CHECK(peek(p) == 'a' && !gm_map_is_lost(map) && gm_guard_nr_faults() == before);
	errno = EXDEV;
	CHECK(peek(p + 5 * PAGE + 7) == 0);
	CHECK(errno == EXDEV && gm_map_is_lost(map) && gm_guard_nr_faults() == before + 1);
	poke(p + 8 * PAGE - 1, 'c');
	CHECK(peek(p + 8 * PAGE - 1) == 'c' && gm_guard_nr_faults() == before + 1);
	poke(p + 3 * PAGE, 'd'); /* before the page that was replaced: once more */
	CHECK(peek(p + 3 * PAGE) == 'd' && gm_guard_nr_faults() == before + 2);
	/* what is left of the file is still shared, and the neighbour is whole */
	poke(p + 1, 'e');
	CHECK(pread(fd, &byte, 1, 1) == 1 && byte == 'e');
	for (unsigned int i = 0; i < 8 * PAGE; i++)
		CHECK(peek(q + i) == 'b');
	CHECK(!gm_map_is_lost(other));
	gm_map_put(map);
	/* whoever gets the same slot starts afresh */
	map = map_of(other_fd, 0, PAGE);
	CHECK(!gm_map_is_lost(map));
	gm_map_put(map);
	gm_map_put(other);
}

static void test_truncated(void **state)
{
	assert_good(run_truncated);
}

/* A piece of a file that begins inside a page: what lies before it belongs to the mapping. */
static void run_odd_offset(void)
{
	int fd = file_of(4 * PAGE);
	struct gm_map *map = map_of(fd, PAGE + 100, 2 * PAGE);

	CHECK(!gm_guard_install());
	CHECK(!ftruncate(fd, 0));
	memset(gm_map_base(map), 1, 2 * PAGE);
	CHECK(gm_map_is_lost(map));
	gm_map_put(map);
}

static void test_odd_offset(void **state)
{
	assert_good(run_odd_offset);
}

/*
 * Sealed against shrinking, and still nothing to be had: no huge page is left for it, or none was
 * ever there. Zeros must come in whole huge pages.
 */
static void run_huge_pages(void)
{
	const size_t huge = 2u << 20;
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB);
	struct gm_map *map = NULL;

	if (fd < 0 || ftruncate(fd, (off_t)(64 * huge)) ||
	    gm_map_fd(fd, 0, 64 * huge, true, &map))
		return; /* a kernel without */
	CHECK(!gm_guard_install());
	for (size_t i = 0; i < 64; i++)
		poke(gm_map_base(map) + i * huge + 12345, 1);
	for (size_t i = 0; i < 64; i++)
		CHECK(peek(gm_map_base(map) + i * huge + 12345) == 1);
	gm_map_put(map);
}

static void test_huge_pages(void **state)
{
	assert_good(run_huge_pages);
}

static void *touch_all(void *arg)
{
	uint8_t *p = arg;

	for (unsigned int i = 64; i-- > 0;)
		poke(p + i * PAGE, (uint8_t)i);
	return NULL;
}

/* Threads that fall into the same hole while others make and drop mappings. */
static void run_threads(void)
{
	int fd = file_of(64 * PAGE), churn_fd = file_of(PAGE);
	struct gm_map *map = map_of(fd, 0, 64 * PAGE);
	pthread_t t[4];

	CHECK(!gm_guard_install());
	CHECK(!ftruncate(fd, 0));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, touch_all, gm_map_base(map)));
	for (int i = 0; i < 1000; i++)
		gm_map_put(map_of(churn_fd, 0, PAGE));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(gm_map_is_lost(map));
	gm_map_put(map);
}

static void test_threads(void **state)
{
	assert_good(run_threads);
}

/* ---- what is none of ours ---- */

static void fault_elsewhere(void)
{
	int fd = file_of(PAGE);
	uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED && !ftruncate(fd, 0));
	poke(p, 1);
}

static void run_elsewhere(void)
{
	struct gm_map *map = map_of(file_of(PAGE), 0, PAGE);

	CHECK(!gm_guard_install());
	fault_elsewhere();
	gm_map_put(map);
}

static void run_after_unmap(void)
{
	int fd = file_of(PAGE);
	struct gm_map *map = map_of(fd, 0, PAGE);
	uint8_t *p = gm_map_base(map);

	CHECK(!gm_guard_install());
	gm_map_put(map);
	CHECK(mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == p);
	CHECK(!ftruncate(fd, 0));
	CHECK(peek(p) == 0); /* not reached */
}

static void run_sent(void)
{
	CHECK(!gm_guard_install());
	raise(SIGBUS);
}

static void test_default_action(void **state)
{
	static void (*const run[])(void) = { run_elsewhere, run_after_unmap, run_sent };

	for (unsigned int i = 0; i < 3; i++) {
		int status = in_child(run[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGBUS);
	}
}

static void own_handler(int sig)
{
	_exit(sig == SIGBUS ? EXIT_HANDLER : EXIT_BAD);
}

static void own_action(int sig, siginfo_t *info, void *context)
{
	_exit(sig == SIGBUS && info->si_addr && context ? EXIT_HANDLER : EXIT_BAD);
}

static void run_own_handler(void)
{
	signal(SIGBUS, own_handler);
	run_elsewhere();
}

static void run_own_action(void)
{
	struct sigaction action = { .sa_sigaction = own_action, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
	run_elsewhere();
}

static void run_ignored(void)
{
	signal(SIGBUS, SIG_IGN);
	CHECK(!gm_guard_install());
	raise(SIGBUS);
	fault_elsewhere(); /* cannot be ignored */
}

static void test_previous(void **state)
{
	int status = in_child(run_ignored);

	assert_int_equal(in_child(run_own_handler), EXIT_HANDLER << 8);
	assert_int_equal(in_child(run_own_action), EXIT_HANDLER << 8);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

/* ---- bounds ---- */

static void run_full(void)
{
	static uint8_t mem[PAGE];
	int nr, fd = file_of(PAGE);
	struct gm_map *map = NULL;

	for (unsigned int i = 0; i < GM_GUARD_MAX; i++)
		CHECK(gm_guard_add(mem, PAGE, PAGE) == (int)i);
	CHECK(gm_guard_add(mem, PAGE, PAGE) == -ENOSPC);
	CHECK(gm_map_fd(fd, 0, PAGE, true, &map) == -ENOSPC && !map);
	gm_guard_remove(77);
	map = map_of(fd, 0, PAGE);
	CHECK(!gm_guard_install() && !ftruncate(fd, 0));
	poke(gm_map_base(map), 1);
	CHECK(gm_map_is_lost(map));
	gm_map_put(map);
	nr = gm_guard_add(mem, PAGE, PAGE);
	CHECK(nr == 77 && !gm_guard_is_lost(nr));
}

static void test_full(void **state)
{
	assert_good(run_full);
}

/* ---- the queue notices ---- */

/* A queue on memory of its own, which can be truncated. */
static void vq_on_file(struct vdrv *d, int fd, struct vq *vq)
{
	struct gm_region r = { .gpa = VDRV_GPA, .uva = 0x1000, .writable = true };
	struct vq_config cfg;

	CHECK(!vdrv_init(d, 8, 0, PAGE, 0) && !ftruncate(fd, (off_t)d->mem_len));
	gm_put(d->gm);
	r.size = d->mem_len;
	r.map = map_of(fd, 0, d->mem_len);
	CHECK(!gm_create(&r, 1, &d->gm));
	gm_map_put(r.map);
	cfg = vdrv_config(d);
	cfg.desc = gm_translate_gpa(d->gm, vdrv_gpa(d, d->desc), 1);
	cfg.avail = gm_translate_gpa(d->gm, vdrv_gpa(d, d->avail), 1);
	cfg.used = gm_translate_gpa(d->gm, vdrv_gpa(d, d->used), 1);
	CHECK(!vq_init(vq, &cfg, 1));
}

static void run_queue(void)
{
	int fd[2] = { file_of(0), file_of(0) };
	struct vdrv d[2];
	struct vq vq[2];
	struct iovec seg[4];
	struct vq_chain ch;

	CHECK(!gm_guard_install());
	for (int i = 0; i < 2; i++)
		vq_on_file(&d[i], fd[i], &vq[i]);
	CHECK(vq_pop(&vq[0], seg, 4, &ch) == 0 && !vq_avail(&vq[0]) && !vq_memory_lost(&vq[0]));
	CHECK(!ftruncate(fd[0], 0));
	vq_avail(&vq[0]); /* touches the ring; the next look knows */
	CHECK(vq_memory_lost(&vq[0]) && vq_avail(&vq[0]) && vq_set_kicks(&vq[0], true));
	CHECK(vq_pop(&vq[0], seg, 4, &ch) == -EPROTO && vq[0].broken == VQ_MEMORY_LOST);
	CHECK(!vq_avail(&vq[0]) && !vq_set_kicks(&vq[0], true));
	/* the other one looks into it once and goes on */
	CHECK(!vq_memory_lost(&vq[1]) && !vq_avail(&vq[1]));
	CHECK(vq_pop(&vq[1], seg, 4, &ch) == 0 && vq[1].faults_seen == gm_guard_nr_faults());
	/* new memory may be memory that was lost before */
	vq_set_memory(&vq[1], d[0].gm, vq[0].cfg.desc, vq[0].cfg.avail, vq[0].cfg.used);
	CHECK(vq_avail(&vq[1]) && vq_pop(&vq[1], seg, 4, &ch) == -EPROTO);
	for (int i = 0; i < 2; i++) {
		vq_fini(&vq[i]);
		vdrv_fini(&d[i]);
	}
}

static void test_queue(void **state)
{
	assert_good(run_queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated),      cmocka_unit_test(test_odd_offset),
		cmocka_unit_test(test_threads),	       cmocka_unit_test(test_default_action),
		cmocka_unit_test(test_previous),       cmocka_unit_test(test_full),
		cmocka_unit_test(test_queue),	       cmocka_unit_test(test_huge_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
