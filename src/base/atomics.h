/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses to memory shared with the guest or with another thread. Every use names, in a comment at
 * the call, the access on the other side that it pairs with.
 */
#ifndef BASE_ATOMICS_H
#define BASE_ATOMICS_H

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif
