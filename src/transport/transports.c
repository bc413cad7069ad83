/* SPDX-License-Identifier: BSD-3-Clause */
/* All transports there are. A new one is a directory, a line here and a line in meson.build. */
#include <string.h>

#include "base/util.h"
#include "devemu/transport.h"
#include "transport/loop/loop.h"
#include "transport/vfio_user/vfio_user.h"
#include "transport/vhost_user/vhost_user.h"

static const struct transport_ops *const transports[] = {
	&vhost_user_transport,
	&vfio_user_transport,
	&loop_transport,
};

const struct transport_ops *transport_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(transports); i++)
		if (!strcmp(transports[i]->name, name))
			return transports[i];
	return NULL;
}
