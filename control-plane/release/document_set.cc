#include "control-plane/release/document_set.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/digest.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace tollgate::control {

std::string ToString(const DocumentKey& key) { return absl::StrCat(key.kind, "/", key.name); }

std::string SerializeDeterministically(const model::v1::Document& document) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream output(&stream);
    output.SetSerializationDeterministic(true);  // sorts maps
    document.SerializeToCodedStream(&output);
  }
  return bytes;
}

StoredDocument Store(model::v1::Document document) {
  const Digest256 hash = Sha256(SerializeDeterministically(document));
  return StoredDocument{
      .document = std::make_shared<const model::v1::Document>(std::move(document)),
      .bytes_hash = std::string(AsBytes(hash))};
}

std::string DigestOf(const DocumentSet& documents) {
  // No name contains NUL, so that no two sets have one spelling.
  std::string text;
  for (const auto& [key, stored] : documents) {
    absl::StrAppend(&text, key.kind, absl::string_view("\0", 1), key.name,
                    absl::string_view("\0", 1), stored.bytes_hash);
  }
  return absl::BytesToHexString(AsBytes(Sha256(text)));
}

std::vector<SourceDocument> ToSourceDocuments(const DocumentSet& documents) {
  std::vector<SourceDocument> sources;
  sources.reserve(documents.size());
  for (const auto& [key, stored] : documents) {
    SourceDocument source;
    source.document = *stored.document;
    sources.push_back(std::move(source));
  }
  return sources;
}

}  // namespace tollgate::control
