/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses to memory shared with the guest or with another thread. Every use names, in a comment at
 * the call, the access on the other side that it pairs with.
 */
#ifndef BASE_ATOMICS_H
#define BASE_ATOMICS_H

/* One access, neither torn nor repeated; relaxed atomics rather than volatile, for thread sanitizers. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif
