// What sidecars of two of the examples in deploy/examples receive, whole, as text.
// TOLLGATE_UPDATE_GOLDEN=1 writes the files anew; read the difference before you commit it.
#include <cstdlib>
#include <fstream>

#include "google/protobuf/text_format.h"
#include "tests/unit/control-plane/translate/translate_testing.h"

namespace tollgate::control {
namespace {

void ExpectGolden(const NodeIdentity& node, const std::string& name,
                  const std::string& example = "card-payments.yaml") {
  const Model model = ModelOf(ReadExample(example));
  const auto bundle = Translate(model, TestCredentials(), node, TestCut());
  ASSERT_TRUE(bundle.ok()) << bundle.status().message();
  std::string text;
  ASSERT_TRUE(google::protobuf::TextFormat::PrintToString(*bundle, &text));
  const std::string path =
      absl::StrCat(TOLLGATE_SOURCE_DIR, "/tests/unit/control-plane/translate/golden/", name);
  if (std::getenv("TOLLGATE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
  }
  const auto golden = ReadFile(path);
  ASSERT_TRUE(golden.ok()) << golden.status().message();
  EXPECT_EQ(text, *golden);
  PolicyOf(*bundle);
}

TEST(Golden, FirstPaymentsSidecar) {
  ExpectGolden({"payments-1", "payments", ""}, "payments-1.textproto");
}
TEST(Golden, SecondPaymentsSidecar) {
  ExpectGolden({"payments-2", "payments", ""}, "payments-2.textproto");
}
TEST(Golden, CheckoutSidecar) {
  ExpectGolden({"checkout-1", "checkout", ""}, "checkout.textproto");
}

TEST(Golden, BalancingCaller) {
  ExpectGolden({"checkout-2", "checkout", ""}, "balancing.textproto", "balancing.yaml");
}

TEST(Golden, LimitedService) {
  ExpectGolden({"payments-1", "payments", ""}, "limits.textproto", "limits.yaml");
}

}  // namespace
}  // namespace tollgate::control
