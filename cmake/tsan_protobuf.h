// Included first in every file that sees protobuf messages when built with ThreadSanitizer.
// protobuf's map fields have one member more under __SANITIZE_THREAD__ (map_field.h), but Debian's
// libprotobuf was built without it: reflection on a map would read the wrong bytes. So this header
// alone is read without the macro; the standard library, which needs it, comes before.
#pragma once
#ifdef __cplusplus
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
#endif
