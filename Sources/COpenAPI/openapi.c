// A resource of the target would be an array literal of a hundred thousand elements for Swift's compiler, or a file that a
// program of one file has to find.
#include "COpenAPI.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char document[] = {
#embed "../../openapi/openapi.yaml"
};

const unsigned char *kheaderd_openapi(size_t *count) {
    *count = sizeof document;
    return document;
}
