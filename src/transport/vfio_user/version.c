/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first message: protocol version, and what each side can take, as JSON text. A peer may leave
 * out anything; what it leaves out has the protocol's default. We answer with the lesser of both
 * sides' numbers. Of migration and of a second socket we say nothing: there is none.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "core/log.h"
#include "transport/vfio_user/vfu.h"

SD_LOG_REGISTER(VFIO_USER);

#define VERSION_DEPTH 8 /* of nested JSON */
/* Any granularity of at least 4 KiB is fine; as a signed number, which JSON libraries have. */
#define VERSION_PGSIZES (INT64_MAX & ~(int64_t)4095)

/* One numeric capability: what the client said, lowered to what we take. */
static int version_number(struct vfu_session *s, struct json_object *caps, const char *name,
			  int64_t lowest, int64_t absent, int64_t *ret_value)
{
	struct json_object *o;

	*ret_value = absent;
	if (!json_object_object_get_ex(caps, name, &o))
		return 0;
	if (!json_object_is_type(o, json_type_int) || json_object_get_int64(o) < lowest)
		return vfu_fail(s, -EINVAL, "capability %s", name);
	*ret_value = json_object_get_int64(o);
	return 0;
}

struct version_caps {
	int64_t fds, xfer, maps, pgsizes;
	bool multi;
};

static int version_read_caps(struct vfu_session *s, struct json_object *caps,
			     struct version_caps *ret)
{
	struct json_object *o;
	int rc;

	rc = version_number(s, caps, "max_msg_fds", 0, VFU_DEFAULT_FDS, &ret->fds);
	if (!rc)
		rc = version_number(s, caps, "max_data_xfer_size", 1, VFU_DEFAULT_XFER, &ret->xfer);
	if (!rc)
		rc = version_number(s, caps, "max_dma_maps", 1, GM_MAX_REGIONS, &ret->maps);
	if (!rc)
		rc = version_number(s, caps, "pgsizes", 1, VFU_DEFAULT_PGSIZES, &ret->pgsizes);
	if (rc)
		return rc;
	ret->multi = json_object_object_get_ex(caps, "write_multiple", &o) &&
		     json_object_get_boolean(o);
	ret->pgsizes &= VERSION_PGSIZES;
	if (!ret->pgsizes)
		return vfu_fail(s, -EINVAL, "no page size of 4096 bytes or more");
	return 0;
}

/* The text that follows the numbers; may be missing. */
static int version_parse(struct vfu_session *s, const struct vfu_msg *m, struct json_object **ret)
{
	const char *text = (const char *)m->payload + sizeof(struct vfu_version);
	size_t len = m->len - sizeof(struct vfu_version);
	struct json_tokener *tok;

	*ret = NULL;
	if (!len)
		return 0;
	if (text[len - 1])
		return vfu_fail(s, -EINVAL, "the version data do not end with NUL");
	tok = json_tokener_new_ex(VERSION_DEPTH);
	if (!tok)
		return -ENOMEM;
	*ret = json_tokener_parse_ex(tok, text, (int)len);
	json_tokener_free(tok);
	if (!json_object_is_type(*ret, json_type_object)) {
		json_object_put(*ret);
		*ret = NULL;
		return vfu_fail(s, -EINVAL, "the version data are not a JSON object");
	}
	return 0;
}

static int version_caps(struct vfu_session *s, const struct vfu_msg *m, struct version_caps *ret)
{
	struct json_object *root, *caps = NULL;
	int rc = version_parse(s, m, &root);

	if (rc)
		return rc;
	if (root && json_object_object_get_ex(root, "capabilities", &caps) &&
	    !json_object_is_type(caps, json_type_object))
		rc = vfu_fail(s, -EINVAL, "the capabilities are not an object");
	else
		rc = version_read_caps(s, caps, ret);
	json_object_put(root);
	return rc;
}

static int version_answer(struct vfu_session *s, uint16_t minor, const struct version_caps *c)
{
	const struct vfu_version v = {.major = VFU_MAJOR, .minor = minor};
	char text[256];
	int n;

	n = snprintf(text, sizeof(text),
		     "{\"capabilities\":{\"max_msg_fds\":%d,\"max_data_xfer_size\":%" PRIu32
		     ",\"max_dma_maps\":%" PRIu32 ",\"pgsizes\":%" PRId64
		     ",\"write_multiple\":%s}}",
		     (int)min(c->fds, (int64_t)VFU_FDS_MAX), s->limits.max_xfer, s->limits.max_maps,
		     c->pgsizes, c->multi ? "true" : "false");
	vfu_tx_add(&s->reply, &v, sizeof(v));
	vfu_tx_add(&s->reply, text, (size_t)n + 1);
	return 0;
}

int vfu_version(struct vfu_session *s, const struct vfu_msg *m)
{
	struct version_caps c = {0};
	struct vfu_version v;
	int rc;

	if (s->negotiated)
		return vfu_fail(s, -EINVAL, "negotiated already");
	memcpy(&v, m->payload, sizeof(v));
	if (v.major != VFU_MAJOR)
		return vfu_fail(s, -EINVAL, "protocol version %u.%u", v.major, v.minor);
	rc = version_caps(s, m, &c);
	if (rc)
		return rc;
	s->limits = (struct vfu_limits){
		.max_fds = (uint32_t)min(c.fds, (int64_t)VFU_FDS_MAX),
		.max_xfer = (uint32_t)min(c.xfer, (int64_t)VFU_XFER_MAX),
		.max_maps = (uint32_t)min(c.maps, (int64_t)GM_MAX_REGIONS),
		.write_multi = c.multi,
	};
	s->negotiated = true;
	sd_log_dbg("client speaks version %u.%u, %u descriptors, %u bytes at a time", v.major,
		   v.minor, s->limits.max_fds, s->limits.max_xfer);
	pci_host_arrived(vfu_port_of(s)->pci);
	return version_answer(s, min(v.minor, (uint16_t)VFU_MINOR), &c);
}
