// The documents of one release, by kind and name. Values; documents are shared between releases
// that have them in common, and immutable.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "control-plane/model/document.h"
#include "tollgate/model/v1/model.pb.h"

namespace tollgate::control {

struct DocumentKey {
  std::string kind;
  std::string name;
  friend auto operator<=>(const DocumentKey&, const DocumentKey&) = default;
};

// "Api/card-payments".
std::string ToString(const DocumentKey& key);

struct StoredDocument {
  std::shared_ptr<const model::v1::Document> document;
  std::string bytes_hash;  // 32 bytes: SHA-256 of its deterministic serialisation
  friend bool operator==(const StoredDocument& a, const StoredDocument& b) {
    return a.bytes_hash == b.bytes_hash;
  }
};

using DocumentSet = std::map<DocumentKey, StoredDocument>;

// The same bytes for equal documents, whatever the order of their maps.
std::string SerializeDeterministically(const model::v1::Document& document);

StoredDocument Store(model::v1::Document document);

// Hex SHA-256 over kinds, names and hashes: equal for equal sets, on every replica.
std::string DigestOf(const DocumentSet& documents);

// For Compile(): without source lines ("from the store").
std::vector<SourceDocument> ToSourceDocuments(const DocumentSet& documents);

}  // namespace tollgate::control
