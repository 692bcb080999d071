// What arrives at a sidecar: a DeltaDiscoveryResponse of any content is staged and closed, and the
// same bytes are read as a last-known-good file. Nothing that is refused may change what is active.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "google/protobuf/stubs/logging.h"
#include "proxy/control/lkg_file.h"
#include "proxy/control/revocation_book.h"
#include "proxy/control/staging.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tollgate;
  using namespace tollgate::proxy;
  google::protobuf::SetLogHandler(nullptr);  // it tells about every text that is not UTF-8
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);

  const absl::StatusOr<LkgFile> file = DecodeLkg(bytes, LkgKind::kPolicy, "node", nullptr);
  if (file.ok()) {
    const absl::StatusOr<std::string> again = EncodeLkg(*file, nullptr);
    if (!again.ok() || *again != bytes) abort();
  }

  envoy::service::discovery::v3::DeltaDiscoveryResponse response;
  if (!response.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto active = std::make_shared<const ActiveSet>();
  Staging staging(active);
  for (size_t i = 0; i < kCutTypes; ++i) staging.Stage(TypeAt(i), response);
  const Staging::Closed closed = staging.Close(response);
  if (closed.set != nullptr && !closed.errors.empty()) abort();
  if (staging.active() != active) abort();
  if (closed.set != nullptr) ToBundle(*closed.set);
  RevocationBook book({});
  book.Apply(response);
  return 0;
}
