/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI device that computes: the host writes a number to register 0 and reads its square from
 * register 1.
 *
 * usage: stateful_region
 */
#include <stdio.h>

#include "register_device.h"

static void square(struct register_device *d)
{
	printf("the host wrote %lu\n", (unsigned long)d->reg[0]);
	fflush(stdout);
	register_device_set(d, 1, d->reg[0] * d->reg[0]);
}

int main(void)
{
	static struct register_device d = {.written = square};

	register_device_open(&d, "squares");
	register_device_serve(&d);
	register_device_close(&d);
	return 0;
}
