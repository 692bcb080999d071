// View: a document as an ordered tree of keys and values, the one shape of its YAML and its JSON.
// A value.
#pragma once

#include <string>
#include <vector>

#include "tollgate/model/v1/model.pb.h"

namespace tollgate::control {

struct View {
  struct Field;
  enum class Kind { kText, kWord, kList, kMapping };  // kWord: a number or a boolean
  Kind kind = Kind::kText;
  std::string text;
  std::vector<View> items;
  std::vector<Field> fields;
};
struct View::Field {
  std::string key;
  View value;
};

// apiVersion, environment, kind, name, owner, then the fields of its kind in the order of their
// numbers; what is not set is not there.
View ViewOf(const model::v1::Document& document);

}  // namespace tollgate::control
