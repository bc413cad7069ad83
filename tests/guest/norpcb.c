/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into nfs-ganesha so that it serves NFSv3 on a machine without rpcbind: registering with
 * the port mapper always "succeeds". The clients of the tests name both ports themselves.
 */
#include <stdbool.h>

#pragma GCC visibility push(default)

bool rpcb_set(unsigned int prog, unsigned int vers, const void *netconf, const void *addr);
bool rpcb_unset(unsigned int prog, unsigned int vers, const void *netconf);

bool rpcb_set(unsigned int prog, unsigned int vers, const void *netconf, const void *addr)
{
	(void)prog;
	(void)vers;
	(void)netconf;
	(void)addr;
	return true;
}

bool rpcb_unset(unsigned int prog, unsigned int vers, const void *netconf)
{
	(void)prog;
	(void)vers;
	(void)netconf;
	return true;
}
