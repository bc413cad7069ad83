/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Theory of Operation
 *
 * A table of slots, one a mapping, which the handler reads without a lock: it runs in the middle of
 * whatever touched the memory. Slots are taken and given back by other threads meanwhile. A reader
 * must not mix the address of one mapping with the length of the next one in that slot, because it
 * would then map zeros over memory that has nothing to do with guests. So each slot has a sequence
 * number, odd while the slot changes, and what was read counts only if the number is the same
 * before and after. The slot of the fault itself cannot change: whoever touches guest memory holds
 * a count on its mapping. A slot that does change is therefore not the one looked for.
 *
 * The handler replaces everything from the faulting page to the end of the mapping by private zero
 * pages. A file that shrank has lost all of that anyway, and otherwise the connection has no future
 * either; one fault and not thousands. It then returns, and the access happens again.
 *
 * System calls do not raise SIGBUS: they say EFAULT. Nothing here is needed for those.
 */
#include "virtio/gm_guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "softdpu_ext.h"

struct guard_slot {
	_Atomic unsigned int seq; /* odd while the slot changes */
	_Atomic bool taken;
	_Atomic bool lost;
	_Atomic uintptr_t base, end;
	_Atomic size_t page;
};

static struct guard_slot guard_slots[GM_GUARD_MAX];
static _Atomic unsigned int guard_used; /* slots beyond were never used */

unsigned int gm_guard_faults;

static struct sigaction guard_previous;
static int guard_error;

/* ---- slots ---- */

static void guard_set(struct guard_slot *s, uintptr_t base, uintptr_t end, size_t page)
{
	atomic_fetch_add(&s->seq, 1);
	atomic_store(&s->base, base);
	atomic_store(&s->end, end);
	atomic_store(&s->page, page);
	atomic_store(&s->lost, false);
	atomic_fetch_add(&s->seq, 1);
}

static void guard_note_used(unsigned int cnt)
{
	unsigned int used = atomic_load(&guard_used);

	while (used < cnt && !atomic_compare_exchange_weak(&guard_used, &used, cnt))
		;
}

int gm_guard_add(void *mem, size_t len, size_t page)
{
	for (unsigned int i = 0; i < GM_GUARD_MAX; i++) {
		struct guard_slot *s = &guard_slots[i];

		if (atomic_load(&s->taken) || atomic_exchange(&s->taken, true))
			continue;
		guard_set(s, (uintptr_t)mem, (uintptr_t)mem + len, page);
		guard_note_used(i + 1);
		return (int)i;
	}
	return -ENOSPC;
}

void gm_guard_remove(int nr)
{
	struct guard_slot *s = &guard_slots[nr];

	guard_set(s, 0, 0, 0);
	atomic_store(&s->taken, false);
}

bool gm_guard_is_lost(int nr)
{
	return atomic_load(&guard_slots[nr].lost);
}

/* ---- the handler: async-signal-safe ---- */

/* What lies in s from addr's page to the end; false: addr is not in it. */
static bool guard_match(struct guard_slot *s, uintptr_t addr, uintptr_t *ret_from, size_t *ret_len)
{
	unsigned int seq = atomic_load(&s->seq);
	uintptr_t base = atomic_load(&s->base), end = atomic_load(&s->end);
	size_t page = atomic_load(&s->page);

	if (seq % 2 || atomic_load(&s->seq) != seq || addr < base || addr >= end)
		return false;
	*ret_from = addr & ~(uintptr_t)(page - 1);
	*ret_len = end - *ret_from;
	return true;
}

/*
 * The bare system call: sanitizers put a good deal of bookkeeping around mmap(), which is no good
 * in a handler. Who comes second does it again, at the cost of what a dying connection wrote
 * meanwhile.
 */
static bool guard_replace(struct guard_slot *s, uintptr_t from, size_t len)
{
	if (syscall(SYS_mmap, from, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == -1)
		return false;
	atomic_store(&s->lost, true);
	/* pairs with gm_guard_nr_faults() */
	__atomic_fetch_add(&gm_guard_faults, 1, __ATOMIC_RELEASE);
	return true;
}

static bool guard_rescue(uintptr_t addr)
{
	unsigned int used = atomic_load(&guard_used);
	uintptr_t from;
	size_t len;

	for (unsigned int i = 0; i < used; i++)
		if (guard_match(&guard_slots[i], addr, &from, &len))
			return guard_replace(&guard_slots[i], from, len);
	return false;
}

/*
 * As if we were not there. Back to the default action: a fault happens again on return and ends the
 * process with the right registers in its core; a signal that somebody sent has to be sent again.
 */
static void guard_chain(int sig, siginfo_t *info, void *context)
{
	if (guard_previous.sa_flags & SA_SIGINFO) {
		guard_previous.sa_sigaction(sig, info, context);
	} else if (guard_previous.sa_handler == SIG_DFL) {
		sigaction(sig, &guard_previous, NULL);
		if (info->si_code <= 0)
			raise(sig);
	} else if (guard_previous.sa_handler != SIG_IGN) {
		guard_previous.sa_handler(sig);
	} else if (info->si_code > 0) {
		sigaction(sig, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	}
}

static void guard_handler(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	/* an address of the kernel's, not one that a process sent along */
	if (info->si_code <= 0 || !guard_rescue((uintptr_t)info->si_addr))
		guard_chain(sig, info, context);
	errno = saved;
}

static void guard_install(void)
{
	struct sigaction action = { .sa_sigaction = guard_handler,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	sigemptyset(&action.sa_mask);
	/* first the previous one, which the handler may need at once */
	if (sigaction(SIGBUS, NULL, &guard_previous) < 0 ||
	    sigaction(SIGBUS, &action, NULL) < 0)
		guard_error = -errno;
}

int gm_guard_install(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, guard_install);
	return guard_error;
}

doca_error_t softdpu_guard_guest_memory(void)
{
	return gm_guard_install() ? DOCA_ERROR_OPERATING_SYSTEM : DOCA_SUCCESS;
}
