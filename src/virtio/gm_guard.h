/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory that a front end takes back (it truncates the file, punches it out of an exhausted
 * pool of huge pages) answers the next access with SIGBUS. With the guard installed such an access
 * finds zeros instead, and the mapping is remembered as lost, so that it costs only the connection
 * it belongs to.
 */
#ifndef VIRTIO_GM_GUARD_H
#define VIRTIO_GM_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mappings of all front ends together: 16 of them may have all they may have (GM_BUDGET_MAPS). */
#define GM_GUARD_MAX 16384u

/*
 * Installs the SIGBUS handler of this process; once, later calls do nothing. What is not in guest
 * memory goes to the handler that was there before. 0 or -errno. Any thread.
 */
int gm_guard_install(void);

/*
 * Protects mem[0..len), which is mapped in pages of `page` bytes. Returns a number for the calls
 * below, or -ENOSPC. remove() comes before the memory is unmapped, when nobody touches it any more.
 * Any thread.
 */
int gm_guard_add(void *mem, size_t len, size_t page);
void gm_guard_remove(int nr);
bool gm_guard_is_lost(int nr);

/*
 * How many accesses have failed in this process, ever. Whoever wants to know cheaply whether some
 * memory was lost compares it with what it was when they last looked. One load.
 */
extern unsigned int gm_guard_faults; /* atomic */
static inline unsigned int gm_guard_nr_faults(void)
{
	/* pairs with the handler's release: who sees the new number finds the mapping lost */
	return __atomic_load_n(&gm_guard_faults, __ATOMIC_ACQUIRE);
}

#endif
