// Resource sets from sample bundles.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control-plane/push/resource_set.h"
#include "tests/fakes/sample_bundle.h"

namespace tollgate::control {

inline std::shared_ptr<const ResourceSet> SetOf(const config::v1::Bundle& bundle,
                                                ResourcePool* pool, uint32_t schema = 1) {
  const CutIdentity identity{bundle.epoch().incarnation(), bundle.epoch().revision(),
                             bundle.epoch().release()};
  return MakeResourceSet(Serialize(bundle), identity, schema, pool);
}

inline config::v1::Bundle WithRevocation(config::v1::Bundle bundle, uint64_t revision,
                                         const std::vector<std::string>& key_ids) {
  config::v1::Revocation* revocation = bundle.add_revocations();
  revocation->set_name("revoked");
  revocation->set_revision(revision);
  for (const std::string& id : key_ids) revocation->add_key_ids(id);
  return bundle;
}

}  // namespace tollgate::control
