/* SPDX-License-Identifier: BSD-3-Clause */
/* How large a PCI type may be. */
#ifndef DEVEMU_PCI_LIMITS_H
#define DEVEMU_PCI_LIMITS_H

#define PCI_MAX_TYPES 8 /* started at a time on one manager, without its default types */

#define PCI_NUM_BARS 6
#define PCI_BAR_LOG_MIN 12
#define PCI_BAR_LOG_MAX 30
#define PCI_IO_LOG_MIN 2 /* by the register's layout */

#define PCI_NUM_MSIX_MAX 2048
#define PCI_NUM_DB_MAX 1024
#define PCI_DB_LOG_SIZE_MIN 1
#define PCI_DB_LOG_SIZE_MAX 3
#define PCI_DB_LOG_STRIDE_MIN 2
#define PCI_DB_LOG_STRIDE_MAX 12

/* Regions: of doorbells and of registers; one each of MSI-X table and pending bits. */
#define PCI_BAR_MAX_OF_KIND 8
#define PCI_BAR_MAX_REGIONS (2 * PCI_BAR_MAX_OF_KIND + 2)
#define PCI_REGION_BLOCK 64 /* sizes and places are multiples of it */
#define PCI_STATEFUL_MAX_BLOCKS 4096
#define PCI_DB_MAX_BLOCKS ((PCI_NUM_DB_MAX << PCI_DB_LOG_STRIDE_MAX) / PCI_REGION_BLOCK)
#define PCI_MSIX_MAX_BLOCKS 1024 /* a table of the largest size, and a page or more of bits */

#endif
