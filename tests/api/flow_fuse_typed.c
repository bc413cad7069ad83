/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A controller in the FUSE-typed form of the API (3.1 and later): one handler per operation, all of
 * them registered. Each handler touches every argument it gets, so that a parameter of the wrong
 * type, or one missing, does not compile.
 */
#include <errno.h>

#include <doca_devemu_vfs.h>
#include <doca_devemu_vfs_io.h>

#include "flow.h"

/* The reply every handler of this program gives. */
static void refuse(struct doca_devemu_vfs_fuse_req *req, const struct fuse_in_header *in,
		   struct fuse_out_header *out)
{
	out->unique = in->unique;
	out->len = sizeof(*out);
	out->error = -ENOSYS;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_ERROR_NOT_SUPPORTED);
}

static size_t length(const struct doca_buf *buf)
{
	size_t len = 0;

	return buf && doca_buf_get_data_len(buf, &len) == DOCA_SUCCESS ? len : 0;
}

static void on_lookup(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct doca_buf *datain,
		      struct fuse_out_header *out, struct fuse_entry_out *entry)
{
	*(size_t *)req_user_data = sizeof(*entry) + length(datain);
	refuse(req, in, out);
}

static void on_forget(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct fuse_forget_in *forget_in)
{
	*(size_t *)req_user_data = sizeof(*forget_in);
	(void)in;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_getattr(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_getattr_in *getattr_in,
		       struct fuse_out_header *out, struct fuse_attr_out *attr_out)
{
	*(size_t *)req_user_data = sizeof(*getattr_in) + sizeof(*attr_out);
	refuse(req, in, out);
}

static void on_setattr(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_setattr_in *setattr_in,
		       struct fuse_out_header *out, struct fuse_attr_out *attr_out)
{
	*(size_t *)req_user_data = sizeof(*setattr_in) + sizeof(*attr_out);
	refuse(req, in, out);
}

static void on_readlink(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			struct fuse_in_header *in, struct fuse_out_header *out,
			struct doca_buf *dataout)
{
	*(size_t *)req_user_data = length(dataout);
	refuse(req, in, out);
}

static void on_symlink(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct doca_buf *datain,
		       struct fuse_out_header *out, struct fuse_entry_out *entry)
{
	*(size_t *)req_user_data = sizeof(*entry) + length(datain);
	refuse(req, in, out);
}

static void on_mknod(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_mknod_in *mknod_in,
		     struct doca_buf *datain, struct fuse_out_header *out,
		     struct fuse_entry_out *entry)
{
	*(size_t *)req_user_data = sizeof(*mknod_in) + sizeof(*entry) + length(datain);
	refuse(req, in, out);
}

static void on_mkdir(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_mkdir_in *mkdir_in,
		     struct doca_buf *datain, struct fuse_out_header *out,
		     struct fuse_entry_out *entry)
{
	*(size_t *)req_user_data = sizeof(*mkdir_in) + sizeof(*entry) + length(datain);
	refuse(req, in, out);
}

static void on_unlink(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct doca_buf *datain,
		      struct fuse_out_header *out)
{
	*(size_t *)req_user_data = length(datain);
	refuse(req, in, out);
}

static void on_rmdir(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct doca_buf *datain,
		     struct fuse_out_header *out)
{
	*(size_t *)req_user_data = length(datain);
	refuse(req, in, out);
}

static void on_rename(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct fuse_rename_in *rename_in,
		      struct doca_buf *datain, struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*rename_in) + length(datain);
	refuse(req, in, out);
}

static void on_link(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_link_in *link_in,
		    struct doca_buf *datain, struct fuse_out_header *out,
		    struct fuse_entry_out *entry)
{
	*(size_t *)req_user_data = sizeof(*link_in) + sizeof(*entry) + length(datain);
	refuse(req, in, out);
}

static void on_open(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_open_in *open_in,
		    struct fuse_out_header *out, struct fuse_open_out *open_out)
{
	*(size_t *)req_user_data = sizeof(*open_in) + sizeof(*open_out);
	refuse(req, in, out);
}

static void on_read(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_read_in *read_in,
		    struct fuse_out_header *out, struct doca_buf *dataout)
{
	*(size_t *)req_user_data = sizeof(*read_in) + length(dataout);
	refuse(req, in, out);
}

static void on_write(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_write_in *write_in,
		     struct doca_buf *datain, struct fuse_out_header *out,
		     struct fuse_write_out *write_out)
{
	*(size_t *)req_user_data = sizeof(*write_in) + sizeof(*write_out) + length(datain);
	refuse(req, in, out);
}

static void on_statfs(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct fuse_out_header *out,
		      struct fuse_statfs_out *statfs_out)
{
	*(size_t *)req_user_data = sizeof(*statfs_out);
	refuse(req, in, out);
}

static void on_release(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_release_in *release_in,
		       struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*release_in);
	refuse(req, in, out);
}

static void on_fsync(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_fsync_in *fsync_in,
		     struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*fsync_in);
	refuse(req, in, out);
}

static void on_setxattr(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			struct fuse_in_header *in, struct fuse_setxattr_in *xattr_in,
			struct doca_buf *datain, struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*xattr_in) + length(datain);
	refuse(req, in, out);
}

static void on_getxattr(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			struct fuse_in_header *in, struct fuse_getxattr_in *xattr_in,
			struct doca_buf *datain, struct fuse_out_header *out,
			struct fuse_getxattr_out *xattr_out, struct doca_buf *dataout)
{
	*(size_t *)req_user_data = sizeof(*xattr_in) + sizeof(*xattr_out) + length(datain) +
		length(dataout);
	refuse(req, in, out);
}

static void on_listxattr(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			 struct fuse_in_header *in, struct fuse_getxattr_in *xattr_in,
			 struct fuse_out_header *out, struct fuse_getxattr_out *xattr_out,
			 struct doca_buf *dataout)
{
	*(size_t *)req_user_data = sizeof(*xattr_in) + sizeof(*xattr_out) + length(dataout);
	refuse(req, in, out);
}

static void on_removexattr(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			   struct fuse_in_header *in, struct doca_buf *datain,
			   struct fuse_out_header *out)
{
	*(size_t *)req_user_data = length(datain);
	refuse(req, in, out);
}

static void on_flush(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_flush_in *flush_in,
		     struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*flush_in);
	refuse(req, in, out);
}

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_init_in *init_in,
		    struct fuse_out_header *out, struct fuse_init_out *init_out)
{
	*(size_t *)req_user_data = sizeof(*init_in) + sizeof(*init_out);
	refuse(req, in, out);
}

static void on_opendir(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_open_in *opendir_in,
		       struct fuse_out_header *out, struct fuse_open_out *opendir_out)
{
	*(size_t *)req_user_data = sizeof(*opendir_in) + sizeof(*opendir_out);
	refuse(req, in, out);
}

static void on_readdir(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_read_in *readdir_in,
		       struct fuse_out_header *out, struct doca_buf *dataout)
{
	*(size_t *)req_user_data = sizeof(*readdir_in) + length(dataout);
	refuse(req, in, out);
}

static void on_releasedir(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			  struct fuse_in_header *in, struct fuse_release_in *releasedir_in,
			  struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*releasedir_in);
	refuse(req, in, out);
}

static void on_fsyncdir(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			struct fuse_in_header *in, struct fuse_fsync_in *fsyncdir_in,
			struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*fsyncdir_in);
	refuse(req, in, out);
}

static void on_getlk(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_lk_in *lk_in,
		     struct fuse_out_header *out, struct fuse_lk_out *lk_out)
{
	*(size_t *)req_user_data = sizeof(*lk_in) + sizeof(*lk_out);
	refuse(req, in, out);
}

static void on_setlk(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_lk_in *lk_in,
		     struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*lk_in);
	refuse(req, in, out);
}

static void on_setlkw(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct fuse_lk_in *lk_in,
		      struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*lk_in);
	refuse(req, in, out);
}

static void on_access(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct fuse_access_in *access_in,
		      struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*access_in);
	refuse(req, in, out);
}

static void on_create(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct fuse_create_in *create_in,
		      struct doca_buf *datain, struct fuse_out_header *out,
		      struct fuse_entry_out *entry_out, struct fuse_open_out *open_out)
{
	*(size_t *)req_user_data = sizeof(*create_in) + sizeof(*entry_out) + sizeof(*open_out) +
		length(datain);
	refuse(req, in, out);
}

static void on_interrupt(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			 struct fuse_in_header *in, struct fuse_interrupt_in *interrupt_in)
{
	*(size_t *)req_user_data = sizeof(*interrupt_in);
	(void)in;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_ioctl(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_ioctl_in *ioctl_in,
		     struct doca_buf *datain, struct fuse_out_header *out,
		     struct fuse_ioctl_out *ioctl_out, struct doca_buf *dataout)
{
	*(size_t *)req_user_data = sizeof(*ioctl_in) + sizeof(*ioctl_out) + length(datain) +
		length(dataout);
	refuse(req, in, out);
}

static void on_poll(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_poll_in *poll_in,
		    struct fuse_out_header *out, struct fuse_poll_out *poll_out)
{
	*(size_t *)req_user_data = sizeof(*poll_in) + sizeof(*poll_out);
	refuse(req, in, out);
}

static void on_fallocate(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			 struct fuse_in_header *in, struct fuse_fallocate_in *fallocate_in,
			 struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*fallocate_in);
	refuse(req, in, out);
}

static void on_destroy(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_out_header *out)
{
	*(size_t *)req_user_data = 0;
	refuse(req, in, out);
}

static void on_notify_reply(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			    struct fuse_in_header *in,
			    struct fuse_notify_retrieve_in *notify_retrieve_in,
			    struct doca_buf *datain)
{
	*(size_t *)req_user_data = sizeof(*notify_retrieve_in) + length(datain);
	(void)in;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_batch_forget(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			    struct fuse_in_header *in, struct fuse_batch_forget_in *batch_forget_in,
			    struct doca_buf *datain)
{
	*(size_t *)req_user_data = sizeof(*batch_forget_in) + length(datain);
	(void)in;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_SUCCESS);
}

static void on_readdirplus(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			   struct fuse_in_header *in, struct fuse_read_in *read_in,
			   struct fuse_out_header *out, struct doca_buf *dataout)
{
	*(size_t *)req_user_data = sizeof(*read_in) + length(dataout);
	refuse(req, in, out);
}

static void on_rename2(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_rename2_in *rename2_in,
		       struct doca_buf *datain, struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*rename2_in) + length(datain);
	refuse(req, in, out);
}

static void on_copy_file_range(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			       struct fuse_in_header *in, struct fuse_copy_file_range_in *copy_in,
			       struct fuse_out_header *out, struct fuse_write_out *write_out)
{
	*(size_t *)req_user_data = sizeof(*copy_in) + sizeof(*write_out);
	refuse(req, in, out);
}

static void on_syncfs(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		      struct fuse_in_header *in, struct fuse_syncfs_in *syncfs_in,
		      struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*syncfs_in);
	refuse(req, in, out);
}

static void on_lseek(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_lseek_in *lseek_in,
		     struct fuse_out_header *out, struct fuse_lseek_out *lseek_out)
{
	*(size_t *)req_user_data = sizeof(*lseek_in) + sizeof(*lseek_out);
	refuse(req, in, out);
}

static void on_statx(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		     struct fuse_in_header *in, struct fuse_statx_in *statx_in,
		     struct fuse_out_header *out, struct fuse_statx_out *statx_out)
{
	*(size_t *)req_user_data = sizeof(*statx_in) + sizeof(*statx_out);
	refuse(req, in, out);
}

static void on_tmpfile(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		       struct fuse_in_header *in, struct fuse_create_in *create_in,
		       struct doca_buf *datain, struct fuse_out_header *out,
		       struct fuse_entry_out *entry_out, struct fuse_open_out *open_out)
{
	*(size_t *)req_user_data = sizeof(*create_in) + sizeof(*entry_out) + sizeof(*open_out) +
		length(datain);
	refuse(req, in, out);
}

static void on_bmap(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
		    struct fuse_in_header *in, struct fuse_bmap_in *bmap_in,
		    struct fuse_out_header *out, struct fuse_bmap_out *bmap_out)
{
	*(size_t *)req_user_data = sizeof(*bmap_in) + sizeof(*bmap_out);
	refuse(req, in, out);
}

static void on_setupmapping(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			    struct fuse_in_header *in, struct fuse_setupmapping_in *setupmapping_in,
			    struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*setupmapping_in);
	refuse(req, in, out);
}

static void on_removemapping(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			     struct fuse_in_header *in,
			     struct fuse_removemapping_in *removemapping_in,
			     struct doca_buf *datain, struct fuse_out_header *out)
{
	*(size_t *)req_user_data = sizeof(*removemapping_in) + length(datain);
	refuse(req, in, out);
}

static void on_notification(struct doca_devemu_vfs_fuse_req *req, void *req_user_data,
			    struct fuse_out_header *out, struct doca_buf *dataout)
{
	*(size_t *)req_user_data = length(dataout);
	out->len = 0;
	doca_devemu_vfs_fuse_req_complete(req, DOCA_ERROR_NOT_SUPPORTED);
}

#define REGISTER(op) \
	DOCA_ERROR_PROPAGATE( \
		result, doca_devemu_vfs_io_event_vfs_fuse_##op##_req_handler_register(io, on_##op))

static doca_error_t register_all(struct doca_devemu_vfs_io *io)
{
	doca_error_t result = DOCA_SUCCESS;

	REGISTER(lookup);
	REGISTER(forget);
	REGISTER(getattr);
	REGISTER(setattr);
	REGISTER(readlink);
	REGISTER(symlink);
	REGISTER(mknod);
	REGISTER(mkdir);
	REGISTER(unlink);
	REGISTER(rmdir);
	REGISTER(rename);
	REGISTER(link);
	REGISTER(open);
	REGISTER(read);
	REGISTER(write);
	REGISTER(statfs);
	REGISTER(release);
	REGISTER(fsync);
	REGISTER(setxattr);
	REGISTER(getxattr);
	REGISTER(listxattr);
	REGISTER(removexattr);
	REGISTER(flush);
	REGISTER(init);
	REGISTER(opendir);
	REGISTER(readdir);
	REGISTER(releasedir);
	REGISTER(fsyncdir);
	REGISTER(getlk);
	REGISTER(setlk);
	REGISTER(setlkw);
	REGISTER(access);
	REGISTER(create);
	REGISTER(interrupt);
	REGISTER(ioctl);
	REGISTER(poll);
	REGISTER(fallocate);
	REGISTER(destroy);
	REGISTER(notify_reply);
	REGISTER(batch_forget);
	REGISTER(readdirplus);
	REGISTER(rename2);
	REGISTER(copy_file_range);
	REGISTER(syncfs);
	REGISTER(lseek);
	REGISTER(statx);
	REGISTER(tmpfile);
	REGISTER(bmap);
	REGISTER(setupmapping);
	REGISTER(removemapping);
	REGISTER(notification);
	return result;
}

static doca_error_t apply_settings(void)
{
	struct doca_devemu_vfs_cfg *cfg;
	doca_error_t result = doca_devemu_vfs_cfg_create(&cfg);

	if (result != DOCA_SUCCESS)
		return result;
	DOCA_ERROR_PROPAGATE(
		result, doca_devemu_vfs_cfg_set_vfs_fuse_req_user_data_size(cfg, sizeof(size_t)));
	DOCA_ERROR_PROPAGATE(result, doca_devemu_vfs_init(cfg));
	(void)doca_devemu_vfs_cfg_destroy(cfg);
	return result;
}

int main(void)
{
	static const struct flow flow = {.register_handlers = register_all};
	doca_error_t result = apply_settings();

	DOCA_ERROR_PROPAGATE(result, flow_run(&flow));
	DOCA_ERROR_PROPAGATE(result, doca_devemu_vfs_teardown());
	return result != DOCA_SUCCESS;
}
