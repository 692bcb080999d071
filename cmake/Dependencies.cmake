# Everything comes from Debian 12 (deploy/scripts/install-deps.sh names the packages).
# gRPC, Protobuf and Abseil are linked statically (memory, start time); OpenSSL stays shared, so
# that Debian patches it.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)  # module mode: Debian ships no CMake config for it
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

function(tollgate_static_archives out)
  set(paths)
  foreach(name IN LISTS ARGN)
    find_library(ARCHIVE_${name} NAMES lib${name}.a REQUIRED)
    list(APPEND paths ${ARCHIVE_${name}})
  endforeach()
  set(${out} ${paths} PARENT_SCOPE)
endfunction()

# Debian's Abseil archives refer to one another freely: link them as one group.
find_library(ABSL_BASE NAMES libabsl_base.a REQUIRED)
get_filename_component(ABSL_DIR ${ABSL_BASE} DIRECTORY)
file(GLOB ABSL_ARCHIVES ${ABSL_DIR}/libabsl_*.a)
list(FILTER ABSL_ARCHIVES EXCLUDE REGEX "absl_flags|scoped_mock|failure_signal")
add_library(dep_absl INTERFACE)
target_link_libraries(dep_absl INTERFACE -Wl,--start-group ${ABSL_ARCHIVES} -Wl,--end-group
                                         Threads::Threads)

tollgate_static_archives(PROTOBUF_ARCHIVES protobuf)
add_library(dep_protobuf INTERFACE)
target_link_libraries(dep_protobuf INTERFACE ${PROTOBUF_ARCHIVES} z Threads::Threads)

tollgate_static_archives(GRPC_ARCHIVES grpc++ grpc gpr address_sorting upb re2 cares)
add_library(dep_grpc INTERFACE)
target_link_libraries(dep_grpc INTERFACE -Wl,--start-group ${GRPC_ARCHIVES} -Wl,--end-group
                                         dep_protobuf dep_absl OpenSSL::SSL OpenSSL::Crypto dl)
tollgate_static_archives(GRPC_REFLECTION_ARCHIVES grpc++_reflection)
add_library(dep_grpc_reflection INTERFACE)
target_link_libraries(dep_grpc_reflection INTERFACE -Wl,--whole-archive
  ${GRPC_REFLECTION_ARCHIVES} -Wl,--no-whole-archive dep_grpc)

find_library(SIMDJSON simdjson REQUIRED)
add_library(dep_simdjson INTERFACE)
target_link_libraries(dep_simdjson INTERFACE ${SIMDJSON})

tollgate_static_archives(RE2_ARCHIVES re2)
add_library(dep_re2 INTERFACE)
target_link_libraries(dep_re2 INTERFACE ${RE2_ARCHIVES} Threads::Threads)

tollgate_static_archives(YAML_ARCHIVES yaml-cpp)
add_library(dep_yaml INTERFACE)
target_link_libraries(dep_yaml INTERFACE ${YAML_ARCHIVES})

find_package(spdlog REQUIRED)
add_library(dep_spdlog INTERFACE)
target_link_libraries(dep_spdlog INTERFACE spdlog::spdlog)

find_package(CLI11 QUIET)
add_library(dep_cli11 INTERFACE)  # headers only

# llhttp: Debian ships its C sources in package node-llhttp, no library.
find_path(LLHTTP_SOURCE llhttp.c PATHS /usr/share/llhttp REQUIRED)
find_path(LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include/llhttp REQUIRED)
add_library(dep_llhttp STATIC ${LLHTTP_SOURCE}/api.c ${LLHTTP_SOURCE}/http.c
                              ${LLHTTP_SOURCE}/llhttp.c)
target_include_directories(dep_llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE})

# nghttp2: shared, so that Debian patches it.
find_path(NGHTTP2_INCLUDE nghttp2/nghttp2.h REQUIRED)
find_library(NGHTTP2 nghttp2 REQUIRED)
add_library(dep_nghttp2 INTERFACE)
target_include_directories(dep_nghttp2 SYSTEM INTERFACE ${NGHTTP2_INCLUDE})
target_link_libraries(dep_nghttp2 INTERFACE ${NGHTTP2})
