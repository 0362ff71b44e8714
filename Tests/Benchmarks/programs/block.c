// How long disks take: the fields that block tracers read.
#include <uapi/linux/ptrace.h>
#include <linux/fs.h>
#include <linux/blkdev.h>
#include <linux/blk-mq.h>

struct request_event {
	u64 sector, bytes, started;
	u32 flags, is_write;
};

int trace_done(struct pt_regs *ctx, struct request *request)
{
	struct request_event event = {};

	event.sector = request->__sector;
	event.bytes = request->__data_len;
	event.started = request->start_time_ns;
	event.flags = request->cmd_flags;
	event.is_write = (event.flags & REQ_OP_MASK) == REQ_OP_WRITE;
	bpf_trace_printk("%d %d\n", event.bytes, event.is_write);
	return 0;
}
