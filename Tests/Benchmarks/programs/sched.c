// Who starts whom: the fields that process tracers read.
#include <uapi/linux/ptrace.h>
#include <linux/sched.h>

struct exec_event {
	u32 pid, tgid, parent;
	u64 start;
	char comm[TASK_COMM_LEN];
};

int trace_exec(struct pt_regs *ctx, struct task_struct *task)
{
	struct exec_event event = {};

	event.pid = task->pid;
	event.tgid = task->tgid;
	event.parent = task->real_parent->tgid;
	event.start = task->start_time;
	bpf_get_current_comm(&event.comm, sizeof(event.comm));
	bpf_trace_printk("%d %d\n", event.pid, event.parent);
	return 0;
}
