// Documents as text for people and programs. Field order is that of model.proto, so the same
// document is always the same text. Stateless, thread-safe.
#pragma once

#include <string>
#include <vector>

#include "control-plane/model/document.h"

namespace tollgate::control {

// One YAML document, without "---"; ParseDocuments gives back an equal document.
std::string RenderYaml(const model::v1::Document& document);
// Several, separated by "---".
std::string RenderYaml(const std::vector<model::v1::Document>& documents);

// The same shape as JSON (kind's fields beside kind and name), indented by two spaces.
std::string RenderJson(const model::v1::Document& document);
std::string RenderJson(const std::vector<model::v1::Document>& documents);  // an array

// A copy in which key material that is secret (symmetric keys, private members of a JWK set, or a
// JWK set that cannot be read) is "<redacted>": for every view. Never store or apply the result.
model::v1::Document Redact(const model::v1::Document& document);

}  // namespace tollgate::control
