#include "proxy/server/startup_code.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tollgate::proxy {
namespace {

// Of the program itself, which comes first. Code is never written to, so the file has all of it.
int ReleaseCode(dl_phdr_info* program, size_t, void*) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < program->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = program->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0 ||
        (segment.p_flags & PF_W) != 0) {
      continue;
    }
    const uintptr_t begin = (program->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const uintptr_t end = program->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    // Failure leaves the pages where they are.
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 1;  // no further object
}

}  // namespace

void ReleaseStartupCode() { dl_iterate_phdr(ReleaseCode, nullptr); }

}  // namespace tollgate::proxy
