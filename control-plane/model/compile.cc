#include "control-plane/model/compile.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control-plane/model/checker.h"
#include "control-plane/model/compile_kinds.h"
#include "control-plane/model/values.h"

namespace tollgate::control {
namespace {

// What every kind has in common.
void CheckEnvelope(absl::string_view environment, const model::v1::Document& document,
                   Checker* check) {
  if (!document.api_version().empty() && document.api_version() != kApiVersion) {
    check->Report("apiVersion", document.api_version(), absl::StrCat("expected ", kApiVersion),
                  "Leave it out, or use a tollgatectl and a tollgate-control of that version");
  }
  if (!document.environment().empty() && document.environment() != environment) {
    check->Report("environment", document.environment(),
                  absl::StrCat("this set is for environment \"", environment, "\""),
                  "Apply it to its own environment");
  }
  if (document.name().empty()) {
    check->Report("name", "", "is missing");
  } else {
    check->Check("name", document.name(), CheckName(document.name()));
  }
  if (!document.owner().empty()) {
    check->Check("owner", document.owner(), CheckName(document.owner()));
  }
}

class Compiler {
 public:
  Compiler(absl::string_view environment, absl::Span<const SourceDocument> documents)
      : environment_(environment), documents_(documents) {
    result_.model.environment = std::string(environment);
  }

  CompileResult Run() {
    Index();
    using model::v1::Document;
    Each(Document::kService, [](const Document& d, Checker* check, Model* model) {
      CompileService(d.service(), check, model);
    });
    Each(Document::kListener, [](const Document& d, Checker* check, Model* model) {
      CompileListener(d.listener(), check, model);
    });
    Each(Document::kIssuer, [](const Document& d, Checker* check, Model* model) {
      CompileIssuer(d.issuer(), check, model);
    });
    Each(Document::kPlan, [](const Document& d, Checker* check, Model* model) {
      CompilePlan(d.plan(), check, model);
    });
    Each(Document::kConsumer, [](const Document& d, Checker* check, Model* model) {
      CompileConsumer(d.consumer(), check, model);
    });
    Each(Document::kApi, [](const Document& d, Checker* check, Model* model) {
      CompileApi(d.api(), check, model);
    });
    CheckTokenOwners();
    CheckHashedParameters();
    CheckHosts();
    SortAndLimit(&result_.problems);
    return std::move(result_);
  }

 private:
  using Spec = model::v1::Document::SpecCase;

  // Names first, so that order in a file does not matter.
  void Index() {
    for (const SourceDocument& source : documents_) {
      const model::v1::Document& document = source.document;
      if (document.kind().empty() || document.name().empty()) continue;
      auto [it, fresh] = by_name_.emplace(std::pair(document.kind(), document.name()), &source);
      if (fresh) {
        names_[document.kind()].push_back(document.name());
        continue;
      }
      const SourceDocument& other = *it->second;
      Checker(source, names_, &result_.problems)
          .Report(
              "name", document.name(),
              absl::StrCat(
                  "there is a ", document.kind(), " of this name already",
                  other.file.empty() ? "" : absl::StrCat(" (", other.file, ":", other.line, ")")),
              "Rename or remove one of the two");
    }
    for (auto& [kind, names] : names_) std::sort(names.begin(), names.end());
    for (const SourceDocument& source : documents_) {
      Checker check(source, names_, &result_.problems);
      if (source.broken) {
        check.Report("", "", "could not be read as a whole, so its rules were not checked",
                     "Put its other problems right first");
        continue;
      }
      CheckEnvelope(environment_, source.document, &check);
      CheckKind(source.document, &check);
    }
  }

  // Documents that did not come through ParseDocuments may disagree with themselves.
  static void CheckKind(const model::v1::Document& document, Checker* check) {
    const auto* field = model::v1::Document::GetReflection()->GetOneofFieldDescriptor(
        document, model::v1::Document::descriptor()->FindOneofByName("spec"));
    if (field == nullptr || field->message_type()->name() != document.kind()) {
      check->Report("kind", document.kind(),
                    absl::StrCat("its fields are those of ",
                                 field == nullptr ? "no kind" : field->message_type()->name()));
    }
  }

  template <typename Compile>
  void Each(Spec spec, Compile compile) {
    for (const SourceDocument& source : documents_) {
      const model::v1::Document& document = source.document;
      if (source.broken || document.spec_case() != spec || document.name().empty()) continue;
      if (by_name_[{document.kind(), document.name()}] != &source) continue;  // a duplicate
      Checker check(source, names_, &result_.problems);
      compile(document, &check, &result_.model);
    }
  }

  // (issuer, value) names one Consumer.
  void CheckTokenOwners() {
    std::map<std::pair<std::string, std::string>, std::string> owners;
    for (const auto& [name, consumer] : result_.model.consumers) {
      for (size_t i = 0; i < consumer.tokens.size(); ++i) {
        const TokenIdentity& token = consumer.tokens[i];
        const auto [it, fresh] = owners.emplace(std::pair(token.issuer, token.value), name);
        if (fresh || it->second == name) continue;
        CheckerOf("Consumer", name)
            .Report(At("tokens", i, "value"), token.value,
                    absl::StrCat("is Consumer/", it->second, " already (issuer ", token.issuer,
                                 "): a token names one Consumer"),
                    "Keep it in one of the two");
      }
    }
  }

  // A service is hashed by a parameter that some route to it has.
  void CheckHashedParameters() {
    for (const auto& [name, service] : result_.model.services) {
      const HashKeyPolicy& hash = service.upstream.balancing.hash;
      if (hash.kind != HashKeyPolicy::Kind::kPathParameter) continue;
      const std::string segment = absl::StrCat("/{", hash.name, "}");
      bool any = false;
      bool found = false;
      for (const auto& [unused, api] : result_.model.apis) {
        for (const RouteTablePolicy& version : api.versions) {
          for (const RoutePolicy& route : version.routes) {
            if (route.upstream != name) continue;
            any = true;
            found = found || absl::StrContains(route.path, segment);
          }
        }
      }
      if (!any || found) continue;
      CheckerOf("Service", name)
          .Report("balance.hash", absl::StrCat("path-parameter ", hash.name),
                  "no route to this service has such a parameter",
                  absl::StrCat("Write {", hash.name, "} in a route, or hash something else"));
    }
  }

  // A host and a base path lead to one Api; and which Apis answer to the name of their service.
  void CheckHosts() {
    using Place = std::pair<std::string, std::string>;  // host, base path in lower case
    std::map<Place, std::string> owners;
    std::map<Place, int> aliases;
    for (const auto& [name, api] : result_.model.apis) {
      for (size_t i = 0; i < api.binding.hosts.size(); ++i) {
        const auto [it, fresh] = owners.emplace(
            Place(api.binding.hosts[i], absl::AsciiStrToLower(api.binding.base_path)), name);
        if (fresh || it->second == name) continue;
        CheckerOf("Api", name)
            .Report(At("hosts", i), api.binding.hosts[i],
                    absl::StrCat("with base_path \"", api.binding.base_path, "\" is Api/",
                                 it->second, " already (letter case aside)"),
                    "Give one of the two another host or base_path");
      }
      for (const std::string& alias : api.aliases)
        ++aliases[{alias, absl::AsciiStrToLower(api.binding.base_path)}];
    }
    for (auto& [name, api] : result_.model.apis) {
      const std::vector<std::string>& hosts = api.binding.hosts;
      const bool any_host = std::find(hosts.begin(), hosts.end(), "*") != hosts.end();
      std::erase_if(api.aliases, [&, base = absl::AsciiStrToLower(api.binding.base_path)](
                                     const std::string& alias) {
        const Place place(alias, base);
        return any_host || !CheckHost(alias).ok() || aliases[place] > 1 || owners.contains(place);
      });
    }
  }

  Checker CheckerOf(const std::string& kind, const std::string& name) {
    return Checker(*by_name_.at({kind, name}), names_, &result_.problems);
  }

  absl::string_view environment_;
  absl::Span<const SourceDocument> documents_;
  CompileResult result_;
  NameIndex names_;
  std::map<std::pair<std::string, std::string>, const SourceDocument*> by_name_;
};

}  // namespace

CompileResult Compile(absl::string_view environment, absl::Span<const SourceDocument> documents) {
  return Compiler(environment, documents).Run();
}

}  // namespace tollgate::control
