// Redact of render.h.
#include "common/crypto/jwk.h"
#include "control-plane/model/render.h"

namespace tollgate::control {

model::v1::Document Redact(const model::v1::Document& document) {
  model::v1::Document out = document;
  if (!out.has_issuer() || out.issuer().keys().jwks().empty()) return out;
  const auto info = InspectJwkSet(out.issuer().keys().jwks());
  if (!info.ok() || info->has_symmetric || info->has_private) {
    out.mutable_issuer()->mutable_keys()->set_jwks("<redacted>");
  }
  return out;
}

}  // namespace tollgate::control
