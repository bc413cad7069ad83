/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user transport: one listening Unix socket per function, one client (QEMU, Cloud
 * Hypervisor, a test) at a time, which gets the whole PCIe function. Threads: the device's engine.
 */
#ifndef VFIO_USER_H
#define VFIO_USER_H

#include "devemu/transport.h"

extern const struct transport_ops vfio_user_transport;

#endif
