#include "control-plane/admin/wire.h"

namespace tollgate::control {

std::string EnvironmentOf(const std::string& written) {
  return written.empty() ? std::string(kDefaultEnvironment) : written;
}

void ToWire(const Problem& problem, admin::v1::Problem* wire) {
  wire->set_file(problem.file);
  wire->set_line(problem.line);
  wire->set_document(problem.document);
  wire->set_field(problem.field);
  wire->set_value(problem.value);
  wire->set_message(problem.message);
  wire->set_remedy(problem.remedy);
}

void ToWire(const DocumentChange& change, admin::v1::Change* wire) {
  wire->set_kind(change.key.kind);
  wire->set_name(change.key.name);
  wire->set_action(std::string(ToString(change.action)));
  for (const std::string& field : change.fields) wire->add_fields(field);
}

void ToWire(const ReleaseInfo& info, uint64_t head, admin::v1::Release* wire) {
  wire->set_release(info.number);
  wire->set_revision(static_cast<uint64_t>(info.revision));
  wire->set_created(UnixMillis(info.created));
  wire->set_author(info.author);
  wire->set_message(info.message);
  wire->set_documents(info.documents);
  wire->set_digest(info.digest);
  wire->set_rollback_of(info.rollback_of);
  wire->set_head(info.number == head);
}

void ToWire(const SidecarStatus& status, admin::v1::Proxy* wire) {
  wire->set_node(status.node.id);
  wire->set_service(status.node.service);
  wire->set_version(status.node.version);
  wire->set_connected(status.connected);
  wire->set_serving_release(status.serving_release);
  wire->set_serving_revision(status.serving_revision);
  wire->set_offered_release(status.offered.release);
  wire->set_offered_revision(status.offered.revision);
  wire->set_state(std::string(ToString(status.state)));
  for (const ResourceError& error : status.errors) {
    agent::v1::ResourceError* out = wire->add_errors();
    out->set_type_url(error.type_url);
    out->set_name(error.name);
    out->set_code(error.code);
    out->set_field_path(error.field_path);
    out->set_message(error.message);
  }
  wire->set_last_seen(UnixMillis(status.last_seen));
  wire->set_refused_release(status.refused.release);
  if (status.unservable.has_value()) wire->set_unservable_release(*status.unservable);
  wire->set_address(status.node.address);
  wire->set_schema(status.node.schema);
  *wire->mutable_usage() = status.usage;
  for (const std::string& key : status.unknown_keys) wire->add_unknown_keys(key);
}

void ToWire(const KeyRecord& key, admin::v1::Key* wire) {
  wire->set_id(key.id);
  wire->set_consumer(key.consumer);
  wire->set_name(key.name);
  wire->set_created(key.created);
  wire->set_not_after(key.not_after);
  wire->set_revoked(key.revoked);
}

void ToWire(const PublishResult& result, admin::v1::ApplyResponse* wire) {
  wire->set_release(result.release.number);
  wire->set_revision(static_cast<uint64_t>(result.release.revision));
  for (const DocumentChange& change : result.changes) ToWire(change, wire->add_changes());
  for (const Problem& problem : result.problems) ToWire(problem, wire->add_problems());
  wire->set_unchanged(result.unchanged);
}

}  // namespace tollgate::control
