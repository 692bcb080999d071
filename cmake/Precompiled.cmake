# Parsing the standard library, Abseil, Protobuf and gRPC is more than half of what a small translation
# unit costs. So they are parsed once, into precompiled headers that the targets share:
#   core   the standard library and Abseil
#   proto  and Protobuf's runtime: for those who link tollgate_proto
#   grpc   and gRPC: for those who link tollgate_grpc
#   test   core and GoogleTest (made by tests/)
# Only headers of libraries are in them, never ours; and few, for each file pays for all of them.
# -DTOLLGATE_PCH=OFF builds without, which shows an include that is missing.
option(TOLLGATE_PCH "Precompile the libraries' headers" ON)
if(TOLLGATE_SANITIZER STREQUAL "thread")
  set(TOLLGATE_PCH OFF)  # cmake/tsan_protobuf.h has to come before everything
endif()

set(PCH_CORE
  <algorithm> <atomic> <chrono> <cstdint> <cstring> <functional> <map> <memory> <mutex> <optional>
  <string> <utility> <vector>
  <absl/container/flat_hash_map.h> <absl/functional/any_invocable.h> <absl/status/statusor.h>
  <absl/strings/match.h> <absl/strings/str_cat.h> <absl/types/span.h>)
set(PCH_PROTO
  <google/protobuf/generated_message_reflection.h> <google/protobuf/map_entry.h>
  <google/protobuf/map_field_inl.h> <google/protobuf/message.h>
  <google/protobuf/repeated_field.h> <google/protobuf/unknown_field_set.h>)
set(PCH_GRPC <grpcpp/grpcpp.h>)
set(PCH_TEST <gmock/gmock.h> <gtest/gtest.h>)

# tollgate_pch_target(NAME DEPS... HEADERS...)
function(tollgate_pch_target name)
  if(TOLLGATE_PCH)
    cmake_parse_arguments(ARG "" "" "DEPS;HEADERS" ${ARGN})
    file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cc "")
    add_library(${name} OBJECT EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/pch/empty.cc)
    target_link_libraries(${name} PRIVATE ${ARG_DEPS})
    target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
  endif()
endfunction()
tollgate_pch_target(pch_core HEADERS ${PCH_CORE} DEPS dep_spdlog)
tollgate_pch_target(pch_proto HEADERS ${PCH_PROTO} ${PCH_CORE} DEPS dep_spdlog)
tollgate_pch_target(pch_grpc HEADERS ${PCH_PROTO} ${PCH_CORE} ${PCH_GRPC} DEPS dep_spdlog)

# tollgate_precompiled(TARGET core|proto|grpc|test)
function(tollgate_precompiled target which)
  if(TOLLGATE_PCH)
    target_precompile_headers(${target} REUSE_FROM pch_${which})
    target_compile_definitions(${target} PRIVATE
      $<TARGET_PROPERTY:dep_spdlog,INTERFACE_COMPILE_DEFINITIONS>)  # as the header was compiled
  endif()
endfunction()
