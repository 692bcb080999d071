// The examples of deploy/examples are good policies, and survive being shown and read again.
#include <filesystem>

#include "control-plane/model/render.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/unit/control-plane/model/model_testing.h"

namespace tollgate::control {
namespace {

std::vector<std::string> ExampleFiles() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(Examples())) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().filename());
  }
  return names;
}

TEST(Examples, AreAllValid) {
  ASSERT_GE(ExampleFiles().size(), 3u);
  for (const std::string& name : ExampleFiles()) {
    SCOPED_TRACE(name);
    EXPECT_FALSE(ModelOf(ReadExample(name)).apis.empty());
  }
}

TEST(Examples, AreTheSameAfterBeingRenderedAndParsed) {
  for (const std::string& name : ExampleFiles()) {
    for (const SourceDocument& source : ReadExample(name)) {
      const std::string yaml = RenderYaml(source.document);
      SCOPED_TRACE(yaml);
      const ParseResult again = ParseDocuments("rendered", yaml);
      ASSERT_EQ(ToString(again.problems), "");
      ASSERT_EQ(again.documents.size(), 1u);
      EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(source.document,
                                                                     again.documents[0].document));
      // JSON is YAML, and has the same shape.
      const ParseResult json = ParseDocuments("rendered", RenderJson(source.document));
      ASSERT_EQ(ToString(json.problems), "");
      EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(
          source.document, json.documents.at(0).document));
    }
  }
}

}  // namespace
}  // namespace tollgate::control
