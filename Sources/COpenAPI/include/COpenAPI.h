#ifndef COPENAPI_H
#define COPENAPI_H

#include <stddef.h>

/// The bytes of openapi/openapi.yaml, and how many there are.
const unsigned char *kheaderd_openapi(size_t *count);

#endif
