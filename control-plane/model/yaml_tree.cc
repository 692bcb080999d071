#include "control-plane/model/yaml_tree.h"

#include <algorithm>
#include <exception>
#include <sstream>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "control-plane/model/parse.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace tollgate::control {
namespace {

constexpr size_t kMaxNodes = 1'000'000;

// Ends the parse from inside an event; caught in ReadYaml.
struct Stop : std::exception {
  const char* what() const noexcept override { return "stop"; }
};

uint32_t LineOf(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }

// Builds the tree of one document at a time from the parser's events.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::vector<Problem>* problems) : problems_(problems) {}

  bool complete() const { return complete_; }
  YamlNode& root() { return root_; }
  int start() const { return start_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    stack_.clear();
    root_ = YamlNode();
    complete_ = false;
    start_ = mark.pos;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.line = LineOf(mark);
    if (RefuseProperties("", anchor, node.line)) node.kind = YamlNode::Kind::kBad;
    Add(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Report(LineOf(mark), "", "an alias is refused: what a policy says must stand where it is read",
           "Write the value out");
    YamlNode node;
    node.kind = YamlNode::Kind::kBad;
    node.line = LineOf(mark);
    Add(std::move(node));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.line = LineOf(mark);
    node.plain = tag == "?";
    node.scalar = value;
    size_t at = 0;
    if (!IsCleanUtf8(value, &at)) {  // escapes in double quotes can name anything
      Report(node.line, "", "holds a control character", "");
      node.kind = YamlNode::Kind::kBad;
    }
    if (RefuseProperties(tag, anchor, node.line)) node.kind = YamlNode::Kind::kBad;
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kSequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMapping, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

  [[noreturn]] void Fail(uint32_t line, absl::string_view message, absl::string_view remedy) {
    Report(line, "", message, remedy);
    throw Stop();
  }

 private:
  // A collection that is being read. In a mapping, `key` waits for its value.
  struct Frame {
    YamlNode node;
    bool has_key = false;
    std::string key;
    uint32_t key_line = 0;
    bool drop_value = false;  // the key was refused
    absl::flat_hash_map<std::string, uint32_t> seen;
  };

  void Report(uint32_t line, absl::string_view value, absl::string_view message,
              absl::string_view remedy) {
    Problem problem;
    problem.line = line;
    problem.field = Path();
    problem.value = std::string(value);
    problem.message = std::string(message);
    problem.remedy = std::string(remedy);
    problems_->push_back(std::move(problem));
    if (problems_->size() >= kMaxProblems) throw Stop();
  }

  // Where the parser stands: "versions[0].routes[1].match".
  std::string Path() const {
    std::string path;
    for (const Frame& frame : stack_) {
      if (frame.node.kind == YamlNode::Kind::kSequence) {
        absl::StrAppend(&path, "[", frame.node.items.size(), "]");
      } else if (frame.has_key) {
        absl::StrAppend(&path, path.empty() ? "" : ".", frame.key);
      }
    }
    return path;
  }

  // Tags and anchors. Whether there was any.
  bool RefuseProperties(const std::string& tag, YAML::anchor_t anchor, uint32_t line) {
    const bool tagged = !tag.empty() && tag != "?" && tag != "!";
    if (tagged) Report(line, tag, "a tag is refused", "Leave the tag out");
    if (anchor != YAML::NullAnchor) {
      Report(line, "", "an anchor is refused: there are no aliases", "Leave the &name out");
    }
    return tagged || anchor != YAML::NullAnchor;
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    if (stack_.size() >= kMaxYamlDepth) {
      Fail(LineOf(mark), absl::StrCat("is nested deeper than ", kMaxYamlDepth, " levels"), "");
    }
    CountNode(LineOf(mark));
    Frame frame;
    frame.node.kind = kind;
    frame.node.line = LineOf(mark);
    RefuseProperties(tag, anchor, frame.node.line);
    stack_.push_back(std::move(frame));
  }
  void Close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    Add(std::move(node));
  }

  void CountNode(uint32_t line) {
    if (++nodes_ > kMaxNodes) Fail(line, absl::StrCat("more than ", kMaxNodes, " values"), "");
  }

  // A finished node goes to the collection around it.
  void Add(YamlNode node) {
    CountNode(node.line);
    if (stack_.empty()) {
      root_ = std::move(node);
      complete_ = true;
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == YamlNode::Kind::kSequence) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      TakeKey(&frame, std::move(node));
    } else {
      if (!frame.drop_value) {
        frame.node.fields.push_back({std::move(frame.key), frame.key_line, std::move(node)});
      }
      frame.has_key = false;
    }
  }
  void TakeKey(Frame* frame, YamlNode key) {
    frame->has_key = true;  // first: problems are reported at this key
    frame->drop_value = true;
    frame->key = key.scalar;
    frame->key_line = key.line;
    if (key.kind == YamlNode::Kind::kScalar) {
      if (key.plain && key.scalar == "<<") {
        Report(key.line, "", "merge keys are refused", "Write the fields out");
      } else if (auto [it, fresh] = frame->seen.emplace(key.scalar, key.line); !fresh) {
        Report(key.line, "",
               absl::StrCat("duplicate key: it stands in line ", it->second, " already"),
               "Keep one of the two");
      } else {
        frame->drop_value = false;
      }
    } else if (key.kind != YamlNode::Kind::kBad) {
      Report(key.line, "", "a key must be a single word", "");
    }
  }

  std::vector<Problem>* problems_;
  std::vector<Frame> stack_;
  YamlNode root_;
  bool complete_ = false;
  int start_ = -1;
  size_t nodes_ = 0;
};

// yaml-cpp's words, in ours.
Problem FromException(const YAML::Exception& e) {
  static constexpr struct {
    absl::string_view theirs, message, remedy;
  } kWords[] = {
      {"illegal tab", "a tab in the indentation", "Indent with spaces"},
      {"end of map flow not found", "a '{' is not closed", "Add the '}'"},
      {"end of sequence flow not found", "a '[' is not closed", "Add the ']'"},
      {"end of map not found", "does not line up with the mapping that it stands in",
       "Check the indentation, and that each key has a colon and a space"},
      {"end of sequence not found", "does not line up with the list that it stands in",
       "Check the indentation of the dashes"},
      {"illegal document indicator in scalar", "a quote is not closed", "Add the closing quote"},
      {"illegal map value", "a second ':' in this place",
       "Put the value in quotes, or the mapping on a line of its own"},
      {"illegal map key", "a key cannot stand here", "Check the indentation"},
      {"illegal block entry", "a list cannot start here", "Put the '-' on a line of its own"},
      {"unknown token", "a character that cannot start a value", "Put the value in quotes"},
      {"unknown escape character", "an unknown escape in a double-quoted text",
       "Use single quotes for text with backslashes"},
      {"the referenced anchor is not defined", "an alias is refused", "Write the value out"},
  };
  Problem problem;
  problem.line = LineOf(e.mark);
  for (const auto& words : kWords) {
    if (absl::StrContains(e.msg, words.theirs)) {
      problem.message = absl::StrCat("not YAML: ", words.message);
      problem.remedy = std::string(words.remedy);
      return problem;
    }
  }
  problem.message = absl::StrCat("not YAML: ", e.msg);
  return problem;
}

void ReadDocuments(absl::string_view text, TreeBuilder* builder, YamlResult* result) {
  // yaml-cpp takes the end of the text for a closing quote; the end of a document it does not.
  std::istringstream in{absl::StrCat(text, absl::EndsWith(text, "\n") ? "" : "\n", "...\n")};
  YAML::Parser parser(in);
  int last_start = -1;
  size_t problems_begin = 0;
  for (; parser.HandleNextDocument(*builder); problems_begin = result->problems.size()) {
    // yaml-cpp does not consume a token that it cannot place: it would read it forever.
    if (builder->start() == last_start) {
      builder->Fail(LineOf(YAML::Mark::null_mark()), "not YAML: text that belongs to nothing",
                    "Check brackets and indentation");
    }
    last_start = builder->start();
    if (!builder->complete()) continue;
    YamlNode& root = builder->root();
    if (root.kind == YamlNode::Kind::kNull) continue;  // "---" and nothing after it
    if (result->documents.size() >= kMaxYamlDocuments) {
      builder->Fail(root.line, absl::StrCat("more than ", kMaxYamlDocuments, " documents"),
                    "Split the file");
    }
    result->documents.push_back({std::move(root), problems_begin, result->problems.size()});
  }
}

}  // namespace

bool LooksBoolean(absl::string_view scalar) {
  static constexpr absl::string_view kWords[] = {"true", "false", "yes", "no",
                                                 "on",   "off",   "y",   "n"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](absl::string_view word) { return absl::EqualsIgnoreCase(word, scalar); });
}

YamlResult ReadYaml(absl::string_view text) {
  YamlResult result;
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  Problem problem;
  size_t at = 0;
  if (text.size() > kMaxYamlBytes) {
    problem.message = absl::StrCat("has ", text.size(), " bytes; at most ", kMaxYamlBytes);
    problem.remedy = "Split the file";
    result.problems.push_back(problem);
  } else if (!IsCleanUtf8(text, &at)) {
    problem.line = 1 + std::count(text.begin(), text.begin() + at, '\n');
    problem.message =
        absl::StrCat("byte 0x", absl::Hex(static_cast<unsigned char>(text[at]), absl::kZeroPad2),
                     " is not UTF-8 text");
    result.problems.push_back(problem);
  }
  if (!result.problems.empty()) {
    result.whole = false;
    return result;
  }

  TreeBuilder builder(&result.problems);
  try {
    ReadDocuments(text, &builder, &result);
  } catch (const Stop&) {  // reported already
    result.whole = false;
  } catch (const YAML::Exception& e) {
    result.whole = false;
    result.problems.push_back(FromException(e));
  } catch (const std::exception& e) {
    result.whole = false;
    problem.message = absl::StrCat("not YAML: ", e.what());
    result.problems.push_back(problem);
  }
  return result;
}

}  // namespace tollgate::control
