// SourceDocument: one document of the model together with where it was written. A value.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tollgate/model/v1/model.pb.h"

namespace tollgate::control {

inline constexpr absl::string_view kApiVersion = "tollgate/v1";
inline constexpr absl::string_view kDefaultEnvironment = "default";

struct SourceDocument {
  model::v1::Document document;
  std::string file;                       // "": from the store
  uint32_t line = 0;                      // of its first key
  bool broken = false;                    // parts of it could not be read: good for its name only
  std::map<std::string, uint32_t> lines;  // field path -> line, e.g. "versions[0].routes[1].match"
};

// "Api/card-payments".
std::string DocumentId(const model::v1::Document& document);

// The line of `field`, or of the nearest field that encloses it.
uint32_t LineOf(const SourceDocument& source, absl::string_view field);

// The kinds, sorted: Api, Consumer, Issuer, Listener, Plan, Service.
const std::vector<std::string>& Kinds();

}  // namespace tollgate::control
