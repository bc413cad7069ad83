/* SPDX-License-Identifier: BSD-3-Clause */
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

#include "base/util.h"
#include "load.h"

#define MIB 1048576.0

static const struct {
	const char *name;
	double p;
} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

void report_progress(const struct load *l, double at, uint64_t ops, uint64_t bytes)
{
	if (l->opts->json || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%s%6.1f s %10llu op/s %9.1f MiB/s ", l->echo ? "echo " : "", at,
		(unsigned long long)ops, (double)bytes / MIB);
}

static double per_op(uint64_t ns, uint64_t ops)
{
	return ops ? (double)ns / (double)ops : 0;
}

static void print_one(const char *what, bool verified, const struct result *r)
{
	double rate = r->seconds > 0 ? (double)r->ops / r->seconds : 0;
	unsigned i;

	printf("%s: %llu ops in %.2f s, %.0f op/s", what, (unsigned long long)r->ops, r->seconds,
	       rate);
	if (r->bytes)
		printf(", %.1f MiB/s", r->seconds > 0 ? (double)r->bytes / r->seconds / MIB : 0);
	printf("\n  latency us:");
	for (i = 0; i < ARRAY_SIZE(percentiles); i++)
		printf(" %s %.1f", percentiles[i].name,
		       (double)hist_percentile(&r->hist, percentiles[i].p) / 1e3);
	printf(" max %.1f\n  CPU ns/op: vfsload %.0f", (double)r->hist.max / 1e3,
	       per_op(r->self_ns, r->ops));
	if (r->server_ns)
		printf(" server %.0f (%.0f%% of a core)", per_op(r->server_ns, r->ops),
		       (double)r->server_ns / r->seconds / 1e7);
	printf("\n  kicks: %llu\n", (unsigned long long)r->kicks);
	if (r->errors || r->status)
		printf("  errors: %llu, first: %s\n", (unsigned long long)r->errors, r->err);
	else if (verified)
		printf("  verified: no errors\n");
}

static void add_u64(struct json_object *j, const char *key, uint64_t v)
{
	json_object_object_add(j, key, json_object_new_int64((int64_t)v));
}

static void add_double(struct json_object *j, const char *key, double v)
{
	json_object_object_add(j, key, json_object_new_double(v));
}

static struct json_object *json_one(const struct result *r)
{
	struct json_object *j = json_object_new_object(), *lat = json_object_new_object();
	unsigned i;

	add_double(j, "seconds", r->seconds);
	add_u64(j, "ops", r->ops);
	add_u64(j, "bytes", r->bytes);
	add_u64(j, "errors", r->errors);
	add_u64(j, "kicks", r->kicks);
	add_double(j, "ops_per_second", r->seconds > 0 ? (double)r->ops / r->seconds : 0);
	add_double(j, "cpu_ns_per_op", per_op(r->self_ns, r->ops));
	if (r->server_ns)
		add_double(j, "server_cpu_ns_per_op", per_op(r->server_ns, r->ops));
	for (i = 0; i < ARRAY_SIZE(percentiles); i++)
		add_u64(lat, percentiles[i].name, hist_percentile(&r->hist, percentiles[i].p));
	add_u64(lat, "max", r->hist.max);
	add_double(lat, "mean", per_op(r->hist.sum, r->ops));
	json_object_object_add(j, "latency_ns", lat);
	if (r->status)
		json_object_object_add(j, "error", json_object_new_string(r->err));
	return j;
}

static const struct {
	const char *title, *key, *ratio_key;
} echo_names[ECHO_KINDS] = {
	[ECHO_BARE] = {"bare echo", "echo", "ratio_to_echo"},
	[ECHO_TOUCH] = {"touching echo", "echo_touch", "ratio_to_echo_touch"},
};

/*
 * How much of the other's rate r reached: the median over slices that followed each other closely.
 * Slices cut short by an interrupt count as well; 0: nothing to compare.
 */
static double median_ratio(const struct result *r, const struct result *other)
{
	unsigned i, k, n = min(r->nr_slices, other->nr_slices);
	double v[SLICES_MAX];

	for (i = 0; i < n; i++) {
		double ratio = other->rate[i] > 0 ? r->rate[i] / other->rate[i] : 0;

		for (k = i; k && v[k - 1] > ratio; k--)
			v[k] = v[k - 1];
		v[k] = ratio;
	}
	return n ? (v[(n - 1) / 2] + v[n / 2]) / 2 : 0;
}

static void print_json(const struct load_opts *o, const struct result *r,
		       const struct result *echo)
{
	struct json_object *j = json_one(r);
	unsigned i;

	json_object_object_add(j, "pattern", json_object_new_string(o->pattern->name));
	add_u64(j, "queues", o->queues);
	add_u64(j, "threads", o->threads);
	add_u64(j, "depth", o->depth);
	add_u64(j, "bs", o->bs);
	for (i = 0; i < ECHO_KINDS; i++) {
		if (!echo[i].ops)
			continue;
		json_object_object_add(j, echo_names[i].key, json_one(&echo[i]));
		add_double(j, echo_names[i].ratio_key, median_ratio(r, &echo[i]));
	}
	printf("%s\n", json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY |
						      JSON_C_TO_STRING_SPACED));
	json_object_put(j);
}

void report(const struct load_opts *o, const struct result *r, const struct result *echo)
{
	unsigned i;

	if (o->json) {
		print_json(o, r, echo);
		return;
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%60s\r", "");
	print_one(o->pattern->name, o->verify, r);
	for (i = 0; i < ECHO_KINDS; i++) {
		if (!echo[i].ops)
			continue;
		print_one(echo_names[i].title, false, &echo[i]);
		printf("  the server reached %.1f%% of this rate (median of %u turns)\n",
		       100 * median_ratio(r, &echo[i]), r->nr_slices);
	}
}
