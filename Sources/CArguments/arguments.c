#include "CArguments.h"

char **_swift_stdlib_getUnsafeArgvArgc(int *count);
void _swift_stdlib_overrideUnsafeArgvArgc(char **arguments, int count);

static char *none[] = {0};
static char **current = none;
static int length;

__attribute__((constructor)) static void keep(int count, char **arguments)
{
    current = arguments;
    length = count;
}

char **_swift_stdlib_getUnsafeArgvArgc(int *count)
{
    *count = length;
    return current;
}

void _swift_stdlib_overrideUnsafeArgvArgc(char **arguments, int count)
{
    current = arguments;
    length = count;
}
