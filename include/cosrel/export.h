/* What the public declarations are marked with. */
#ifndef COSREL_EXPORT_H
#define COSREL_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define COSREL_API     __attribute__((visibility("default")))
#define COSREL_CHECKED __attribute__((warn_unused_result))
#else
#define COSREL_API
#define COSREL_CHECKED
#endif

#endif
