// Arbitrary bytes as operators' YAML: parsing, compiling, rendering and translating never crash or
// hang; what is accepted can be rendered and read again as the same, and what is translated is
// accepted by the sidecar's own check.
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "common/policy/from_proto.h"
#include "control-plane/model/compile.h"
#include "control-plane/model/parse.h"
#include "control-plane/model/render.h"
#include "control-plane/translate/translate.h"
#include "google/protobuf/util/message_differencer.h"

namespace tollgate::control {
namespace {

void Must(bool condition) {
  if (!condition) std::abort();
}

void CheckRendering(const SourceDocument& source) {
  const std::string yaml = RenderYaml(source.document);
  if (yaml.size() > kMaxYamlBytes) return;  // short forms are written out
  const ParseResult again = ParseDocuments("again", yaml);
  Must(again.problems.empty() && again.documents.size() == 1);
  Must(google::protobuf::util::MessageDifferencer::Equals(source.document,
                                                          again.documents[0].document));
  RenderJson(Redact(source.document));
}

void CheckTranslation(const Model& model) {
  for (const auto& [name, service] : model.services) {
    std::string node = "node";
    if (!service.instances.empty()) node = service.instances.front().instance;
    const auto bundle = Translate(model, {}, {node, name, ""}, {"incarnation", 1, 1});
    if (!bundle.ok()) continue;
    Must(FromBundle(*bundle).ok());
    Must(!Serialize(*bundle).empty());
  }
}

}  // namespace
}  // namespace tollgate::control

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tollgate::control;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const ParseResult parsed = ParseDocuments("fuzz", text);
  ToString(parsed.problems);
  for (const SourceDocument& source : parsed.documents) {
    if (!source.broken) CheckRendering(source);
  }
  const CompileResult compiled = Compile("default", parsed.documents);
  ToString(compiled.problems);
  if (compiled.ok()) CheckTranslation(compiled.model);
  return 0;
}
