// The admin API as a client sees it: real gRPC on a Unix socket, over a real store.
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "control-plane/admin/admin_api.h"
#include "control-plane/admin/admin_service.h"
#include "control-plane/admin/endpoint.h"
#include "control-plane/admin/publish_check.h"
#include "control-plane/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/fakes/flaky_store.h"
#include "tollgate/admin/v1/admin.grpc.pb.h"

namespace tollgate::control {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kPolicy[] = R"(kind: Service
name: hello
local: 127.0.0.1:9000
endpoints: [127.0.0.1:8080]
---
kind: Plan
name: gentle
owner: team-a
limit: 3/second
algorithm: gcra
per: consumer
---
kind: Consumer
name: alice
plan: gentle
grants: [hello.read]
api_keys: [laptop]
---
kind: Api
name: hello
hosts: ["*"]
service: hello
authenticate: [{api_key: {}}]
versions:
  - name: v1
    routes:
      - {name: read, match: GET /**, require: [hello.read]}
)";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

class AdminServiceTest : public ::testing::Test {
 protected:
  AdminServiceTest() {
    char name[] = "/tmp/tollgate-admin-XXXXXX";
    directory_ = mkdtemp(name);
    address_ = "unix:" + directory_ + "/admin.sock";
    auto store = SqliteStore::Open({.path = directory_ + "/store.db"}, files_, clock_);
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    flaky_.emplace(*store_);
    auto peppers = Peppers::LoadOrCreate(files_, directory_ + "/peppers");
    EXPECT_TRUE(peppers.ok()) << peppers.status();
    peppers_.emplace(*std::move(peppers));
    credentials_.emplace(*flaky_, clock_, *peppers_);
    denials_.emplace(*flaky_, clock_);
    releases_.emplace(*flaky_, clock_, PublishCheck(fleet_, [this](absl::string_view environment) {
      return releases_->Load(std::string(environment), 0)->documents;
    }));
    auto state = StateView::Start(*flaky_, *releases_, nullptr, Backoff(1));
    EXPECT_TRUE(state.ok()) << state.status();
    state_ = *std::move(state);
    api_.emplace(*flaky_, *releases_, *credentials_, *denials_, fleet_, questions_, *state_);
    service_.emplace(&*api_);
    auto endpoint = Endpoint::Open({.address = address_,
                                    .services = {service_->service()},
                                    .health_names = {AdminService::kName}});
    EXPECT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
    channel_ = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
    stub_ = admin::v1::AdminService::NewStub(channel_);
  }
  ~AdminServiceTest() override {
    endpoint_.reset();
    state_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  static admin::v1::ApplyRequest Request(const std::string& text) {
    admin::v1::ApplyRequest request;
    admin::v1::Source* source = request.add_sources();
    source->set_file("policy.yaml");
    source->set_text(text);
    return request;
  }

  admin::v1::ApplyResponse Apply(const admin::v1::ApplyRequest& request) {
    grpc::ClientContext context;
    context.AddMetadata(kUserMetadata, "alice");
    admin::v1::ApplyResponse response;
    status_ = stub_->Apply(&context, request, &response);
    return response;
  }
  admin::v1::ApplyResponse Apply(const std::string& text) {
    admin::v1::ApplyResponse response = Apply(Request(text));
    EXPECT_TRUE(status_.ok()) << status_.error_message();
    return response;
  }
  admin::v1::IssueKeyResponse IssueKey(const std::string& consumer, const std::string& name) {
    admin::v1::IssueKeyRequest request;
    request.set_consumer(consumer);
    request.set_name(name);
    grpc::ClientContext context;
    admin::v1::IssueKeyResponse response;
    status_ = stub_->IssueKey(&context, request, &response);
    return response;
  }
  admin::v1::ListKeysResponse ListKeys() {
    grpc::ClientContext context;
    admin::v1::ListKeysResponse response;
    EXPECT_TRUE(stub_->ListKeys(&context, {}, &response).ok());
    return response;
  }
  admin::v1::GetResponse Get(const admin::v1::GetRequest& request) {
    grpc::ClientContext context;
    admin::v1::GetResponse response;
    status_ = stub_->Get(&context, request, &response);
    return response;
  }
  admin::v1::ApplyResponse Rollback(uint64_t to) {
    admin::v1::RollbackRequest request;
    request.set_release(to);
    grpc::ClientContext context;
    admin::v1::ApplyResponse response;
    status_ = stub_->Rollback(&context, request, &response);
    return response;
  }
  admin::v1::ListProxiesResponse Wait(uint64_t release, uint32_t timeout_ms) {
    admin::v1::WaitReleaseRequest request;
    request.set_release(release);
    request.set_timeout_ms(timeout_ms);
    grpc::ClientContext context;
    admin::v1::ListProxiesResponse response;
    status_ = stub_->WaitRelease(&context, request, &response);
    return response;
  }

  admin::v1::ListProxiesResponse Proxies(const std::string& node) {
    admin::v1::ListProxiesRequest request;
    request.set_node(node);
    grpc::ClientContext context;
    admin::v1::ListProxiesResponse response;
    status_ = stub_->ListProxies(&context, request, &response);
    return response;
  }
  admin::v1::ExplainResponse Explain(const std::string& node, uint32_t timeout_ms = 60'000) {
    admin::v1::ExplainRequest request;
    request.set_node(node);
    request.set_timeout_ms(timeout_ms);
    request.mutable_question()->set_path("/payments");
    grpc::ClientContext context;
    admin::v1::ExplainResponse response;
    status_ = stub_->Explain(&context, request, &response);
    return response;
  }
  // What gRPC's health service says of a service: 1 SERVING, 2 NOT_SERVING.
  std::string Health(const std::string& service) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    // A HealthCheckRequest: field 1, a text.
    const grpc::Slice slice(service.empty() ? ""
                                            : "\x0a" + std::string(1, service.size()) + service);
    const grpc::ByteBuffer request(&slice, 1);
    auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    call->Finish(&response, &status_, nullptr);
    void* tag;
    bool ok;
    EXPECT_TRUE(queue.Next(&tag, &ok) && ok && status_.ok()) << status_.error_message();
    grpc::Slice answer;
    EXPECT_TRUE(response.DumpToSingleSlice(&answer).ok());
    return std::string(answer.begin(), answer.end());
  }

  static NodeInfo Sidecar(const std::string& id, const std::string& service) {
    NodeInfo node;
    node.id = id;
    node.service = service;
    node.schema = kSchema;
    return node;
  }

  std::string directory_, address_;
  PosixFileSystem files_;
  FakeClock clock_;
  Fleet fleet_{&clock_};
  std::unique_ptr<SqliteStore> store_;
  std::optional<fakes::FlakyStore> flaky_;  // what all of it uses
  std::optional<Peppers> peppers_;
  std::optional<CredentialStore> credentials_;
  std::optional<DenialStore> denials_;
  std::optional<Releases> releases_;
  std::unique_ptr<StateView> state_;
  Questions questions_;
  std::optional<AdminApi> api_;
  std::optional<AdminService> service_;
  std::unique_ptr<Endpoint> endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<admin::v1::AdminService::Stub> stub_;
  grpc::Status status_;
};

TEST_F(AdminServiceTest, PublishesOnceAndSaysWhatChanged) {
  const auto first = Apply(kPolicy);
  EXPECT_EQ(first.release(), 1u);
  ASSERT_THAT(first.changes(), SizeIs(4));
  EXPECT_EQ(first.changes(0).kind() + "/" + first.changes(0).name(), "Api/hello");
  EXPECT_EQ(first.changes(0).action(), "created");

  const auto again = Apply(kPolicy);
  EXPECT_TRUE(again.unchanged());
  EXPECT_EQ(again.release(), 1u);

  const auto changed = Apply(Replaced(kPolicy, "3/second", "4/second"));
  EXPECT_EQ(changed.release(), 2u);
  ASSERT_THAT(changed.changes(), SizeIs(1));
  EXPECT_THAT(changed.changes(0).fields(), ElementsAre("limit: 3/second -> 4/second"));

  grpc::ClientContext context;
  admin::v1::ListReleasesResponse releases;
  ASSERT_TRUE(stub_->ListReleases(&context, {}, &releases).ok());
  ASSERT_THAT(releases.releases(), SizeIs(2));
  EXPECT_EQ(releases.releases(0).release(), 2u);
  EXPECT_TRUE(releases.releases(0).head());
  EXPECT_FALSE(releases.releases(1).head());
  EXPECT_EQ(releases.releases(0).author(), "alice");
}

TEST_F(AdminServiceTest, DryRunAndDiffPublishNothing) {
  auto request = Request(kPolicy);
  request.set_dry_run(true);
  EXPECT_THAT(Apply(request).changes(), SizeIs(4));
  grpc::ClientContext context;
  admin::v1::DiffResponse diff;
  ASSERT_TRUE(stub_->Diff(&context, Request(kPolicy), &diff).ok());
  EXPECT_THAT(diff.changes(), SizeIs(4));
  EXPECT_EQ(diff.base_release(), 0u);
  EXPECT_EQ(Get({}).release(), 0u);
}

TEST_F(AdminServiceTest, ReportsEveryProblemWithItsLine) {
  std::string text = Replaced(kPolicy, "limit:", "limti:");   // parsing
  text = Replaced(text, "service: hello", "service: hallo");  // a reference
  text +=
      "---\nkind: Issuer\nname: bank\nissuer: https://bank.example/\naudiences: [a]\n"
      "algorithms: [ES256]\nprofile: jwt\nkeys: {file: gone.json}\n";  // a file
  auto request = Request(text);
  (*request.mutable_sources(0)->mutable_files())["gone.json"].set_error("No such file");
  const auto response = Apply(request);
  ASSERT_TRUE(status_.ok());
  std::vector<std::string> problems;
  for (const auto& problem : response.problems()) {
    problems.push_back(problem.document() + ":" + std::to_string(problem.line()) + ":" +
                       problem.field() + ": " + problem.message());
  }
  EXPECT_THAT(problems, Contains(HasSubstr("Plan/gentle:9:limti")));
  EXPECT_THAT(problems, Contains(HasSubstr("Api/hello:22:service")));
  EXPECT_THAT(problems, Contains(AllOf(HasSubstr("Issuer/bank:"), HasSubstr("No such file"))));
  EXPECT_THAT(problems, Not(Contains(HasSubstr("could not be read as a whole"))));
  EXPECT_EQ(Get({}).release(), 0u);
}

TEST_F(AdminServiceTest, RefusesAStaleBase) {
  Apply(kPolicy);
  auto request = Request(Replaced(kPolicy, "3/second", "4/second"));
  request.set_has_base(true);
  request.set_base_release(0);
  Apply(request);
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::ABORTED);
  request.set_base_release(1);
  EXPECT_EQ(Apply(request).release(), 2u);
}

TEST_F(AdminServiceTest, PrunesTheDocumentsOfOneOwnerOnly) {
  Apply(kPolicy);
  auto request = Request(
      "kind: Plan\nname: other\nowner: team-a\nlimit: 1/second\n"
      "algorithm: gcra\nper: consumer\n");
  request.set_prune(true);
  request.set_owner("team-a");
  EXPECT_THAT(Apply(request).problems(), SizeIs(1)) << "alice still has that plan";
  request.add_sources()->set_text(
      "kind: Consumer\nname: alice\nplan: other\ngrants: [hello.read]\napi_keys: [laptop]\n");
  const auto response = Apply(request);
  EXPECT_THAT(response.problems(), IsEmpty());
  std::vector<std::string> changes;
  for (const auto& change : response.changes()) {
    changes.push_back(change.kind() + "/" + change.name() + " " + change.action());
  }
  EXPECT_THAT(changes,
              ElementsAre("Consumer/alice updated", "Plan/gentle deleted", "Plan/other created"));
}

TEST_F(AdminServiceTest, DeletesOnlyWhatNothingRefersTo) {
  Apply(kPolicy);
  const auto remove = [this](const std::string& kind, const std::string& name) {
    admin::v1::DeleteRequest request;
    request.set_kind(kind);
    request.set_name(name);
    grpc::ClientContext context;
    admin::v1::ApplyResponse response;
    status_ = stub_->Delete(&context, request, &response);
    return response;
  };
  EXPECT_THAT(remove("Plan", "gentle").problems(), SizeIs(1));
  EXPECT_EQ(remove("Consumer", "alice").release(), 2u);
  EXPECT_EQ(remove("Plan", "gentle").release(), 3u);
  remove("Plan", "gentle");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::NOT_FOUND);
  remove("Plam", "gentle");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status_.error_message(), HasSubstr("Did you mean Plan?"));
}

TEST_F(AdminServiceTest, NeverShowsASymmetricKey) {
  auto request = Request(
      "kind: Issuer\nname: demo\nissuer: https://demo.example/\naudiences: [a]\n"
      "algorithms: [HS256]\nprofile: jwt\nkeys: {file: k.json}\n");
  (*request.mutable_sources(0)->mutable_files())["k.json"].set_content(
      R"({"keys":[{"kty":"oct","kid":"k","alg":"HS256",)"
      R"("k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"}]})");
  EXPECT_THAT(Apply(request).problems(), IsEmpty());
  const auto documents = Get({});
  ASSERT_THAT(documents.documents(), SizeIs(1));
  EXPECT_THAT(documents.documents(0).DebugString(),
              AllOf(HasSubstr("<redacted>"), Not(HasSubstr("c2VjcmV0"))));
}

TEST_F(AdminServiceTest, IssuesKeysOnlyUnderNamesThatAConsumerLists) {
  Apply(kPolicy);
  IssueKey("bob", "laptop");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  IssueKey("alice", "phone");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status_.error_message(), HasSubstr("it lists [laptop]"));
  const auto issued = IssueKey("alice", "laptop");
  EXPECT_TRUE(status_.ok());
  EXPECT_THAT(issued.key(), HasSubstr(issued.id() + "."));
  EXPECT_THAT(ListKeys().DebugString(),
              Not(HasSubstr(issued.key().substr(issued.id().size() + 1))));
}

TEST_F(AdminServiceTest, RollbackDoesNotReviveAKey) {
  Apply(kPolicy);
  IssueKey("alice", "laptop");
  Apply(Replaced(kPolicy, "3/second", "4/second"));
  admin::v1::RevokeKeyRequest request;
  request.set_consumer("alice");
  request.set_name("laptop");
  grpc::ClientContext context;
  admin::v1::RevokeKeyResponse revoked;
  ASSERT_TRUE(stub_->RevokeKey(&context, request, &revoked).ok());
  EXPECT_THAT(revoked.ids(), SizeIs(1));
  EXPECT_EQ(Rollback(1).release(), 3u);
  ASSERT_THAT(ListKeys().keys(), SizeIs(1));
  EXPECT_NE(ListKeys().keys(0).revoked(), 0);
}

TEST_F(AdminServiceTest, RefusesWhatAConnectedSidecarCouldNotBeServedFrom) {
  fleet_.Connected(Sidecar("stranger", "nobody-knows"));
  EXPECT_EQ(Apply(kPolicy).release(), 1u) << "a stranger holds nothing up";
  const NodeInfo node = Sidecar("hello-1", "hello");
  const uint64_t session = fleet_.Connected(node);
  const std::string two = Replaced(kPolicy, "[127.0.0.1:8080]",
                                   "[{address: 127.0.0.1:8080, instance: a},"
                                   " {address: 127.0.0.1:8081, instance: b}]");
  const auto refused = Apply(two);
  ASSERT_THAT(refused.problems(), SizeIs(1));
  EXPECT_EQ(refused.problems(0).document(), "Service/hello");
  EXPECT_THAT(refused.problems(0).message(), HasSubstr("\"hello-1\" could not be served"));
  EXPECT_EQ(Get({}).release(), 1u);
  fleet_.Disconnected(node, session);
  EXPECT_EQ(Apply(two).release(), 2u);
}

TEST_F(AdminServiceTest, WaitsForSidecarsAndTellsWhoRefused) {
  Apply(kPolicy);
  const NodeInfo node = Sidecar("hello-1", "hello");
  const uint64_t session = fleet_.Connected(node);
  fleet_.Unservable(node, session, 0, {"", "hello", "NOT_FOUND", "", "no release yet"});
  const auto early = Wait(1, 1);
  EXPECT_EQ(early.proxies(0).state(), "PENDING") << "the time was over";
  EXPECT_TRUE(early.proxies(0).has_unservable_release());
  EXPECT_LT(early.proxies(0).unservable_release(), 1u) << "said of what was before";
  const CutIdentity cut{.incarnation = "x", .revision = 2, .release = 1};
  fleet_.Offered(node, session, cut);
  fleet_.Refused(node, session, cut,
                 {{"t", "inbound/hello", "ADDRESS_IN_USE", "address", "taken"}});
  const auto response = Wait(0, 60'000);
  ASSERT_THAT(response.proxies(), SizeIs(1));
  EXPECT_EQ(response.head_release(), 1u);
  EXPECT_EQ(response.proxies(0).state(), "REFUSED");
  EXPECT_EQ(response.proxies(0).refused_release(), 1u);
  EXPECT_EQ(response.proxies(0).errors(0).code(), "ADDRESS_IN_USE");
  Wait(7, 1);
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(AdminServiceTest, KeepsEnvironmentsApart) {
  auto request = Request(kPolicy);
  request.set_environment("staging");
  EXPECT_EQ(Apply(request).release(), 1u);
  EXPECT_EQ(Get({}).release(), 0u);
  admin::v1::GetRequest get;
  get.set_environment("staging");
  EXPECT_THAT(Get(get).documents(), SizeIs(4));
}

TEST_F(AdminServiceTest, HealthChecksSayWhetherItServesWhichMayChange) {
  constexpr char kServing[] = "\x08\x01", kNotServing[] = "\x08\x02";
  const std::string services[] = {"", "tollgate.admin.v1.AdminService"};
  for (const std::string& service : services) EXPECT_EQ(Health(service), kServing) << service;
  endpoint_->SetServing(false);
  for (const std::string& service : services) EXPECT_EQ(Health(service), kNotServing) << service;
  EXPECT_EQ(Apply(kPolicy).release(), 1u) << "calls are answered all the same";
  endpoint_->SetServing(true);
  for (const std::string& service : services) EXPECT_EQ(Health(service), kServing) << service;
}

TEST_F(AdminServiceTest, ListsWhoIsNearALimitTheFullestOfAllSidecarsFirst) {
  for (const char* node : {"hello-1", "hello-2", "away"}) fleet_.Connected(Sidecar(node, "hello"));
  fleet_.Connected(Sidecar("ledger-1", "ledger"));
  const auto session = fleet_.Connected(Sidecar("away", "hello"));
  const auto report = [this](const char* node,
                             const std::vector<std::array<uint64_t, 3>>& counters) {
    agent::v1::Report said;
    said.mutable_limits()->set_keys(counters.size());
    for (const auto& [used, limit, refused] : counters) {
      agent::v1::LimitKeyUsage* key = said.mutable_limits()->add_top();
      key->set_key(absl::StrCat(node, ":", used, "/", limit));
      key->set_used(used);
      key->set_limit(limit);
      key->set_refused(refused);
    }
    fleet_.Report("default", node, said);
  };
  report("hello-1", {{9, 10, 0}, {1, 10, 0}});
  report("hello-2", {{50, 50, 1}, {99, 100, 0}});
  report("ledger-1", {{5, 5, 3}});
  report("away", {{7, 7, 7}});
  fleet_.Disconnected(Sidecar("away", "hello"), session);
  const auto list = [this](const std::string& service, uint32_t top) {
    admin::v1::ListLimitsRequest request;
    request.set_service(service);
    request.set_top(top);
    admin::v1::ListLimitsResponse response;
    grpc::ClientContext context;
    status_ = stub_->ListLimits(&context, request, &response);
    return response;
  };
  const auto keys = [](const admin::v1::ListLimitsResponse& response) {
    std::vector<std::string> out;
    for (const auto& row : response.rows()) out.push_back(row.key().key());
    return out;
  };
  const auto all = list("", 0);
  EXPECT_THAT(keys(all), ElementsAre("ledger-1:5/5", "hello-2:50/50", "hello-2:99/100",
                                     "hello-1:9/10", "hello-1:1/10"));
  ASSERT_THAT(all.sidecars(), SizeIs(3));
  EXPECT_EQ(all.sidecars(0).usage().keys(), 2u);
  EXPECT_THAT(all.sidecars(0).usage().top(), SizeIs(0)) << "they are in the rows";
  EXPECT_EQ(all.rows(0).service(), "ledger");
  EXPECT_THAT(keys(list("hello", 2)), ElementsAre("hello-2:50/50", "hello-2:99/100"));
  EXPECT_THAT(list("nobody", 0).sidecars(), SizeIs(0));
}

TEST_F(AdminServiceTest, ShowsOneSidecarWithItsUsageAndTheKeysItDidNotKnow) {
  NodeInfo node = Sidecar("hello-1", "hello");
  node.address = "10.0.0.7";
  fleet_.Connected(node);
  fleet_.Connected(Sidecar("hello-2", "hello"));
  agent::v1::Report report;
  report.mutable_usage()->set_requests(12);
  report.mutable_usage()->set_log_dropped(3);
  fleet_.Report("default", "hello-1", report);
  report.mutable_unknown_keys()->add_key_ids("tg_lost");
  fleet_.Report("default", "hello-1", report);
  const auto response = Proxies("hello-1");
  ASSERT_THAT(response.proxies(), SizeIs(1));
  EXPECT_EQ(response.proxies(0).address(), "10.0.0.7");
  EXPECT_EQ(response.proxies(0).usage().requests(), 12u);
  EXPECT_EQ(response.proxies(0).usage().log_dropped(), 3u);
  EXPECT_THAT(response.proxies(0).unknown_keys(), ElementsAre("tg_lost"));
  EXPECT_THAT(Proxies("").proxies(), SizeIs(2));
  Proxies("hello-3");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status_.error_message(), AllOf(HasSubstr("hello-3"), HasSubstr("hello-1")));
}

// A sidecar's agent stream that hands on what it is asked.
class AskedPeer final : public AgentPeer {
 public:
  void Ask(const agent::v1::Question& question) override { asked_.set_value(question); }
  agent::v1::Question WaitForQuestion() { return asked_.get_future().get(); }

 private:
  std::promise<agent::v1::Question> asked_;
};

TEST_F(AdminServiceTest, AsksTheSidecarAndGivesItsAnswer) {
  fleet_.Connected(Sidecar("hello-1", "hello"));
  AskedPeer peer;
  agent::v1::Hello hello;
  hello.set_node("hello-1");
  hello.set_explains(true);
  const uint64_t session = questions_.Opened("default", hello, &peer);
  auto response = std::async(std::launch::async, [this] { return Explain("hello-1"); });
  const agent::v1::Question question = peer.WaitForQuestion();
  EXPECT_EQ(question.explain().path(), "/payments");
  agent::v1::Explanation answer;
  answer.set_id(question.id());
  answer.add_verdicts()->set_route("list");
  questions_.Answered(session, answer);
  EXPECT_EQ(response.get().explanation().verdicts(0).route(), "list");
  EXPECT_TRUE(status_.ok()) << status_.error_message();
  questions_.Closed(session);
}

TEST_F(AdminServiceTest, SaysWhatTroubleTheStoreIsInWhileItFails) {
  flaky_->Fail(absl::InternalError("disk I/O error"));
  admin::v1::GetVersionResponse version;
  for (int i = 0; i < 20'000 && version.trouble().empty(); ++i) {
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->GetVersion(&context, {}, &version).ok());
  }
  EXPECT_THAT(version.trouble(), HasSubstr("disk I/O error"));
  flaky_->Recover();
}

TEST_F(AdminServiceTest, SaysWhyASidecarCannotBeAsked) {
  Explain("hello-1");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status_.error_message(), HasSubstr("no sidecar \"hello-1\""));
  const NodeInfo node = Sidecar("hello-1", "hello");
  const uint64_t session = fleet_.Connected(node);
  Explain("hello-1");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status_.error_message(), HasSubstr("no agent stream"));
  fleet_.Disconnected(node, session);
  Explain("hello-1");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status_.error_message(), HasSubstr("is disconnected"));
}

TEST_F(AdminServiceTest, ServesOnASocketForItsGroupThatNobodyElseTakes) {
  struct stat info {};
  const std::string path = directory_ + "/admin.sock";
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
  const auto second = Endpoint::Open({.address = address_, .services = {}});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists) << second.status();
}

TEST(Endpoint, RefusesAddressesOffThisMachineAndFilesThatAreNoSockets) {
  EXPECT_EQ(Endpoint::Open({.address = "0.0.0.0:0", .services = {}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  char name[] = "/tmp/tollgate-file-XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(
      Endpoint::Open({.address = std::string("unix:") + name, .services = {}}).status().code(),
      absl::StatusCode::kFailedPrecondition);
  close(fd);
  unlink(name);
}

}  // namespace
}  // namespace tollgate::control
