// A tracing program as bcc compiles it: it reads fields of the kernel's own structures, whose layout only the headers
// of that very kernel tell. The demo compiles it to prove that a fetched tree is all that a tracing tool needs.
#include <linux/sched.h>
#include <linux/mm_types.h>
#include <uapi/linux/bpf.h>
#include <uapi/linux/ptrace.h>

static long (*bpf_probe_read_kernel)(void *to, __u32 size, const void *from) = (void *)BPF_FUNC_probe_read_kernel;
static struct task_struct *(*bpf_get_current_task)(void) = (void *)BPF_FUNC_get_current_task;
static long (*bpf_perf_event_output)(void *context, void *map, __u64 flags, void *data, __u64 size) =
    (void *)BPF_FUNC_perf_event_output;

struct event {
    pid_t pid, parent;
    int priority;
    unsigned long pages;
    char command[TASK_COMM_LEN];
};

struct {
    int (*type)[BPF_MAP_TYPE_PERF_EVENT_ARRAY];
    int (*key_size)[sizeof(int)];
    int (*value_size)[sizeof(int)];
} events __attribute__((section(".maps"), used));

#define READ_FIELD(to, from) bpf_probe_read_kernel(&(to), sizeof(to), &(from))

__attribute__((section("kprobe/do_exit"), used)) int trace_exit(struct pt_regs *context)
{
    struct task_struct *task = bpf_get_current_task(), *parent;
    struct mm_struct *memory;
    struct event event = {};

    READ_FIELD(event.pid, task->pid);
    READ_FIELD(event.priority, task->prio);
    READ_FIELD(event.command, task->comm);
    READ_FIELD(parent, task->real_parent);
    READ_FIELD(event.parent, parent->tgid);
    READ_FIELD(memory, task->mm);
    if (memory)
        READ_FIELD(event.pages, memory->total_vm);
    bpf_perf_event_output(context, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
    return 0;
}

char _license[] __attribute__((section("license"), used)) = "GPL";
