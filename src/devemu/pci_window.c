/* SPDX-License-Identifier: BSD-3-Clause */
#include "devemu/pci_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devemu/vdev.h"

static bool region_is_window(const struct pci_region *r)
{
	return r->kind == PCI_REGION_STATEFUL || r->kind == PCI_REGION_DB_BY_OFFSET ||
	       r->kind == PCI_REGION_DB_BY_DATA;
}

static int window_init(struct doca_devemu_pci_dev *pci, uint8_t bar, const struct pci_region *r)
{
	struct pci_window *w = &pci->window[pci->nr_windows];

	w->values = calloc(1, r->size);
	if (!w->values)
		return -ENOMEM;
	w->event.pci = pci;
	w->event.bar = bar;
	w->event.start = r->start;
	w->size = r->size;
	w->region = r;
	pci->nr_windows++;
	return 0;
}

static int window_init_bar(struct doca_devemu_pci_dev *pci, uint8_t bar)
{
	const struct pci_bar *b = &pci->type->bar[bar];
	unsigned int i;
	int rc = 0;

	for (i = 0; i < b->nr_regions && !rc; i++)
		if (region_is_window(&b->region[i]))
			rc = window_init(pci, bar, &b->region[i]);
	return rc;
}

int pci_window_create_all(struct doca_devemu_pci_dev *pci)
{
	uint8_t bar;
	int rc = 0;

	pci->window = calloc(PCI_NUM_BARS * PCI_BAR_MAX_REGIONS, sizeof(*pci->window));
	if (!pci->window)
		return -ENOMEM;
	for (bar = 0; bar < PCI_NUM_BARS && !rc; bar++)
		rc = window_init_bar(pci, bar);
	if (rc)
		pci_window_destroy_all(pci);
	else
		pci_window_reset_all(pci);
	return rc;
}

void pci_window_destroy_all(struct doca_devemu_pci_dev *pci)
{
	while (pci->nr_windows) {
		struct pci_window *w = &pci->window[--pci->nr_windows];

		free(w->values);
		free(w->own_defaults);
	}
	free(pci->window);
	pci->window = NULL;
}

void pci_window_reset_all(struct doca_devemu_pci_dev *pci)
{
	unsigned int i;

	for (i = 0; i < pci->nr_windows; i++) {
		struct pci_window *w = &pci->window[i];
		const uint8_t *from = w->own_defaults ? w->own_defaults : w->region->defaults;

		w->written = false;
		if (from)
			memcpy(w->values, from, w->size);
		else
			memset(w->values, 0, w->size);
	}
}

struct pci_window *pci_window_find(const struct doca_devemu_pci_dev *pci, unsigned int bar,
				   uint64_t start)
{
	unsigned int i;

	for (i = 0; i < pci->nr_windows; i++)
		if (pci->window[i].event.bar == bar && pci->window[i].event.start == start)
			return &pci->window[i];
	return NULL;
}

/* ---- the host ---- */

void pci_window_host_read(const struct pci_window *w, uint64_t offset, uint8_t *dst, size_t len)
{
	memcpy(dst, w->values + offset, len);
}

void pci_window_host_write(struct doca_devemu_pci_dev *pci, struct pci_window *w, uint64_t offset,
			   const uint8_t *src, size_t len)
{
	memcpy(w->values + offset, src, len);
	if (!w->handler)
		return;
	w->written = true;
	pci->due = true;
	pe_wake(pci->ctx.pe);
}

/* ---- the application ---- */

bool pci_window_report(struct doca_devemu_pci_dev *pci)
{
	unsigned int i;

	for (i = 0; i < pci->nr_windows; i++) {
		struct pci_window *w = &pci->window[i];

		if (!w->written)
			continue;
		w->written = false;
		w->handler(&w->event, w->user_data);
		return true;
	}
	return false;
}

/* The stateful one that holds this range of the BAR; NULL: none does. */
static struct pci_window *window_of_range(const struct doca_devemu_pci_dev *pci, uint8_t bar,
					  uint64_t offset, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < pci->nr_windows; i++) {
		struct pci_window *w = &pci->window[i];

		if (w->event.bar == bar && w->region->kind == PCI_REGION_STATEFUL &&
		    offset >= w->event.start && size <= w->size &&
		    offset - w->event.start <= w->size - size)
			return w;
	}
	return NULL;
}

static doca_error_t window_check(const struct doca_devemu_pci_dev *pci, uint8_t bar,
				 uint64_t offset, const void *values, uint64_t size,
				 struct pci_window **ret)
{
	if (!pci || !values || !size)
		return DOCA_ERROR_INVALID_VALUE;
	if (ctx_is_idle(&pci->ctx))
		return DOCA_ERROR_BAD_STATE;
	*ret = window_of_range(pci, bar, offset, size);
	return *ret ? DOCA_SUCCESS : DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_devemu_pci_dev_modify_bar_stateful_region_values(
	struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t offset, void *values,
	uint64_t size)
{
	struct pci_window *w;
	doca_error_t err = window_check(pci_dev, id, offset, values, size, &w);

	if (err == DOCA_SUCCESS)
		memcpy(w->values + (offset - w->event.start), values, size);
	return err;
}

doca_error_t doca_devemu_pci_dev_query_bar_stateful_region_values(
	struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t offset, void *out_values,
	uint64_t size)
{
	struct pci_window *w;
	doca_error_t err = window_check(pci_dev, id, offset, out_values, size, &w);

	if (err == DOCA_SUCCESS)
		memcpy(out_values, w->values + (offset - w->event.start), size);
	return err;
}

/* Copies defaults of a whole region; what is beyond its end is ignored. */
static doca_error_t defaults_set(uint8_t **defaults, uint64_t region_size, const void *values,
				 uint64_t size)
{
	if (size < region_size)
		return DOCA_ERROR_INVALID_VALUE;
	if (!*defaults)
		*defaults = malloc(region_size);
	if (!*defaults)
		return DOCA_ERROR_NO_MEMORY;
	memcpy(*defaults, values, region_size);
	return DOCA_SUCCESS;
}

doca_error_t doca_devemu_pci_dev_modify_bar_stateful_region_default_values(
	struct doca_devemu_pci_dev *pci_dev, uint8_t id, uint64_t start_addr, void *default_values,
	uint64_t size)
{
	struct pci_window *w;
	doca_error_t err = window_check(pci_dev, id, start_addr, default_values, 1, &w);

	if (err != DOCA_SUCCESS)
		return err;
	if (w->event.start != start_addr)
		return DOCA_ERROR_INVALID_VALUE;
	return defaults_set(&w->own_defaults, w->size, default_values, size);
}

doca_error_t doca_devemu_pci_type_modify_bar_stateful_region_default_values(
	struct doca_devemu_pci_type *type, uint8_t id, uint64_t start_addr, void *default_values,
	uint64_t size)
{
	unsigned int i;

	if (!type || !default_values || id >= PCI_NUM_BARS)
		return DOCA_ERROR_INVALID_VALUE;
	if (!type->started || type->nr_devs)
		return DOCA_ERROR_BAD_STATE;
	for (i = 0; i < type->bar[id].nr_regions; i++) {
		struct pci_region *r = &type->bar[id].region[i];

		if (r->kind == PCI_REGION_STATEFUL && r->start == start_addr)
			return defaults_set(&r->defaults, r->size, default_values, size);
	}
	return DOCA_ERROR_INVALID_VALUE;
}

doca_error_t doca_devemu_pci_dev_event_bar_stateful_region_driver_write_register(
	struct doca_devemu_pci_dev *pci_dev,
	doca_devemu_pci_dev_event_bar_stateful_region_driver_write_handler_cb_t handler,
	uint8_t bar_id, uint64_t bar_region_start_addr, union doca_data user_data)
{
	struct pci_window *w;

	if (!pci_dev || !handler)
		return DOCA_ERROR_INVALID_VALUE;
	if (!ctx_is_idle(&pci_dev->ctx))
		return DOCA_ERROR_BAD_STATE;
	w = window_of_range(pci_dev, bar_id, bar_region_start_addr, 1);
	if (!w || w->event.start != bar_region_start_addr)
		return DOCA_ERROR_INVALID_VALUE;
	w->handler = handler;
	w->user_data = user_data;
	return DOCA_SUCCESS;
}

struct doca_devemu_pci_dev *doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_pci_dev(
	struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event)
{
	return event ? event->pci : NULL;
}

uint8_t doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_bar_id(
	struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event)
{
	return event ? event->bar : 0;
}

uint64_t doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_bar_region_start_addr(
	struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event)
{
	return event ? event->start : 0;
}
