/*
 * Where a program's arguments are, in the place of the Swift runtime's own code for that, which at each start looks for them
 * in /proc/self/maps and on the stack: a hundredth of an agent's check-in. glibc hands them to constructors.
 *
 * Nothing here is for callers; a target that depends on this has it linked in front of the runtime. Should another runtime
 * have these two functions beside others, the linker says so, and this can go.
 */
