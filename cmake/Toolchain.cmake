# Compiler and linker settings for every target of ours.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  # Paths relative to the source: two checkouts, built in their own build/, share the cache.
  # Depend mode: what a miss costs is one compilation, without a preprocessing of its own.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
               CCACHE_DEPEND=1 CCACHE_SLOPPINESS=pch_defines,time_macros
               ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
add_compile_options(-fno-omit-frame-pointer -ffunction-sections -fdata-sections
                    -fstack-protector-strong -fPIE)
add_link_options(-Wl,--gc-sections -pie -Wl,-z,relro,-z,now)

if(TOLLGATE_SANITIZER STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(TOLLGATE_SANITIZER STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(TOLLGATE_SANITIZER)
  message(FATAL_ERROR "TOLLGATE_SANITIZER is '${TOLLGATE_SANITIZER}'; expected address or thread")
endif()

if(TOLLGATE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

# Ours is held to these; generated and library code is not.
set(TOLLGATE_WARNINGS -Wall -Wextra -Werror -Wnon-virtual-dtor -Woverloaded-virtual
                      $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>)
