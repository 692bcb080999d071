// A set without anything secret, for a last-known-good that cannot be sealed. Pure functions.
#pragma once

#include "proxy/control/resources.h"

namespace tollgate::proxy {

// Secret resources are gone, and the API keys of consumers. What had to be changed has the version
// "": the control plane must send it again. `*complete` becomes false when there was any such
// thing. A resource that does not parse is left out too.
ActiveSet WithoutSecrets(const ActiveSet& set, bool* complete);

// The opposite at boot: an issuer whose JWK set was secret gets one that was drawn just now and is
// known to nobody, so the policy is whole and no token of that issuer is accepted.
void AddStandIns(config::v1::Bundle* bundle);

}  // namespace tollgate::proxy
