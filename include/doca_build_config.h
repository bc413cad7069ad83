/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What kind of machine programs are built for. Programs ask DOCA_ARCH_DPU whether they run on the
 * device side; this library is that side, whatever the CPU, so it is always defined and
 * DOCA_ARCH_HOST never is.
 */
#ifndef DOCA_BUILD_CONFIG_H
#define DOCA_BUILD_CONFIG_H

#ifndef DOCA_ARCH_DPU
#define DOCA_ARCH_DPU
#endif

#if defined(__aarch64__)
#ifndef DOCA_ARCH_ARM
#define DOCA_ARCH_ARM
#endif
#elif defined(__x86_64__)
#ifndef DOCA_ARCH_X86
#define DOCA_ARCH_X86
#endif
#endif

#ifndef DOCA_ARCH_DPU_BF2
#define DOCA_ARCH_DPU_BF2 false
#endif

#endif
