/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of lock owners and their ranges: bookkeeping only, no system call but close(). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local.h"

void lktab_init(struct lktab *tab, uint32_t max_owners, uint32_t max_waiting)
{
	memset(tab, 0, sizeof(*tab));
	pthread_mutex_init(&tab->lock, NULL);
	TAILQ_INIT(&tab->waiting);
	tab->max_owners = max_owners;
	tab->max_waiting = max_waiting;
}

struct lkowners *lktab_bucket(struct lktab *tab, uint64_t nodeid)
{
	return &tab->owners[(nodeid * 0x9e3779b97f4a7c15ull >> 32) & (LK_BUCKETS - 1)];
}

struct lkowner *lktab_find(struct lktab *tab, uint64_t nodeid, uint64_t owner)
{
	struct lkowner *o;

	LIST_FOREACH(o, lktab_bucket(tab, nodeid), link)
		if (o->nodeid == nodeid && o->owner == owner)
			return o;
	return NULL;
}

struct lkowner *lktab_add(struct lktab *tab, uint64_t nodeid, uint64_t owner, int fd)
{
	struct lkowner *o = NULL;

	if (tab->nr_owners < tab->max_owners)
		o = calloc(1, sizeof(*o));
	if (!o) {
		close(fd);
		return NULL;
	}
	o->nodeid = nodeid;
	o->owner = owner;
	o->fd = fd;
	LIST_INSERT_HEAD(lktab_bucket(tab, nodeid), o, link);
	__atomic_add_fetch(&tab->nr_owners, 1, __ATOMIC_RELAXED);
	return o;
}

void lktab_reap(struct lktab *tab, struct lkowner *o)
{
	if (o->ranges || o->waiting)
		return;
	LIST_REMOVE(o, link);
	__atomic_sub_fetch(&tab->nr_owners, 1, __ATOMIC_RELAXED);
	close(o->fd);
	free(o);
}

static void range_free(struct lktab *tab, struct lkrange *r)
{
	if (!r)
		return;
	tab->nr_ranges--;
	free(r);
}

void lktab_drop_ranges(struct lktab *tab, struct lkowner *o)
{
	struct lkrange *r;

	while ((r = o->ranges)) {
		o->ranges = r->next;
		range_free(tab, r);
	}
}

void lktab_fini(struct lktab *tab)
{
	struct lkowner *o;

	for (unsigned int i = 0; i < LK_BUCKETS; i++)
		while ((o = LIST_FIRST(&tab->owners[i]))) {
			lktab_drop_ranges(tab, o);
			o->waiting = 0;
			lktab_reap(tab, o);
		}
	pthread_mutex_destroy(&tab->lock);
}

const struct lkrange *lkowner_conflict(const struct lkowner *o, uint64_t start, uint64_t end,
				       bool write)
{
	const struct lkrange *r;

	for (r = o->ranges; r && r->start <= end; r = r->next)
		if (r->end >= start && (write || r->write))
			return r;
	return NULL;
}

const struct lkrange *lktab_conflict(struct lktab *tab, uint64_t nodeid, uint64_t owner,
				     uint64_t start, uint64_t end, bool write)
{
	const struct lkrange *r;
	const struct lkowner *o;

	LIST_FOREACH(o, lktab_bucket(tab, nodeid), link) {
		if (o->nodeid != nodeid || o->owner == owner)
			continue;
		r = lkowner_conflict(o, start, end, write);
		if (r)
			return r;
	}
	return NULL;
}

int lktab_reserve(struct lktab *tab, struct lkrange *spare[2])
{
	spare[0] = spare[1] = NULL;
	if (tab->nr_ranges + 2 > LK_RANGES_MAX)
		return -ENOLCK;
	spare[0] = calloc(1, sizeof(*spare[0]));
	spare[1] = calloc(1, sizeof(*spare[1]));
	if (!spare[0] || !spare[1]) {
		free(spare[0]);
		free(spare[1]);
		return -ENOMEM;
	}
	tab->nr_ranges += 2;
	return 0;
}

void lktab_unreserve(struct lktab *tab, struct lkrange *spare[2])
{
	range_free(tab, spare[0]);
	range_free(tab, spare[1]);
}

static struct lkrange *spare_take(struct lkrange *spare[2])
{
	unsigned int i = spare[0] ? 0 : 1;
	struct lkrange *r = spare[i];

	spare[i] = NULL;
	return r;
}

/* Takes [start, end] out of one range that overlaps it; the link behind what is left before it. */
static struct lkrange **range_cut(struct lktab *tab, struct lkrange **link, uint64_t start,
				  uint64_t end, struct lkrange *spare[2])
{
	struct lkrange *r = *link, *tail;

	if (r->start < start && r->end > end) {
		tail = spare_take(spare);
		*tail = *r;
		tail->start = end + 1;
		r->next = tail;
		r->end = start - 1;
		return &r->next;
	}
	if (r->start < start) {
		r->end = start - 1;
		return &r->next;
	}
	if (r->end > end) {
		r->start = end + 1;
		return link;
	}
	*link = r->next;
	range_free(tab, r);
	return link;
}

static void range_merge(struct lktab *tab, struct lkrange *first)
{
	struct lkrange *next = first->next;

	if (!next || first->write != next->write || first->end + 1 != next->start)
		return;
	first->end = next->end;
	first->pid = next->pid;
	first->next = next->next;
	range_free(tab, next);
}

static void range_insert(struct lktab *tab, struct lkrange **link, struct lkrange *prev,
			 struct lkrange *r)
{
	r->next = *link;
	*link = r;
	range_merge(tab, r);
	if (prev)
		range_merge(tab, prev);
}

bool lktab_set(struct lktab *tab, struct lkowner *o, uint64_t start, uint64_t end,
	       const struct lkrange *set, struct lkrange *spare[2])
{
	struct lkrange **link = &o->ranges, *prev = NULL, *r;
	bool gave_up = false;

	while (*link && (*link)->start <= end) {
		r = *link;
		if (r->end < start) {
			prev = r;
			link = &r->next;
			continue;
		}
		gave_up |= !set || (r->write && !set->write);
		if (r->start < start)
			prev = r;
		link = range_cut(tab, link, start, end, spare);
	}
	if (set) {
		r = spare_take(spare);
		*r = *set;
		range_insert(tab, link, prev, r);
	}
	lktab_unreserve(tab, spare);
	return gave_up;
}
