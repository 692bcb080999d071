// From a YAML tree to a message of the model, by its descriptor: keys are the proto's field names.
// Stateless, thread-safe.
#pragma once

#include <vector>

#include "control-plane/model/document.h"
#include "control-plane/model/problem.h"
#include "control-plane/model/yaml_tree.h"

namespace tollgate::control {

// Maps one document. `source->file` and `source->line` are set already; `source->lines` is filled.
// Problems carry line, document, field and value, and are appended. False when there was any.
bool MapDocument(const YamlNode& root, SourceDocument* source, std::vector<Problem>* problems);

}  // namespace tollgate::control
