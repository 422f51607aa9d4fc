// The playground's editor of contracts, as one module: CodeMirror 6 with TOML and marked lines.
//
// Tab is not bound, so it always leaves the editor. Colours are the page's own (style.css).

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { search, searchKeymap } from "@codemirror/search";
import { Annotation, EditorState } from "@codemirror/state";
import {
  EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** Marks a change that the page made, not the user. */
const SET = Annotation.define();

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--muted)" },
  { tag: tags.string, color: "var(--good)" },
  { tag: [tags.number, tags.atom, tags.bool, tags.literal], color: "var(--warning)" },
  { tag: [tags.propertyName, tags.name], color: "var(--accent)" },
  { tag: [tags.bracket, tags.punctuation], color: "var(--muted)" },
]);

const theme = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--card)", fontSize: "13.5px" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "2px" },
  ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--raised)", color: "var(--muted)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--accent) 9%, transparent)" },
  ".cm-matchingBracket, .cm-nonmatchingBracket": { backgroundColor: "var(--accent-box) !important", outline: "1px solid var(--edge)" },
  ".cm-panels, .cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line)" },
  ".cm-diagnostic": { overflowWrap: "anywhere", maxWidth: "34rem" },
  ".cm-textfield": { backgroundColor: "var(--card)", color: "var(--text)", borderColor: "var(--edge)", minHeight: "auto", width: "auto" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--card)", color: "var(--text)", borderColor: "var(--edge)" },
  ".cm-searchMatch": { backgroundColor: "var(--warning-box)", outline: "1px solid var(--warning)" },
});

/**
 * An editor at the end of `parent`. `nonce` lets its style through the page's policy; `changed` is
 * called with the text after each change made by the user.
 */
export function createEditor({ parent, text, label, describedBy, nonce, changed }) {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        EditorView.cspNonce.of(nonce),
        lineNumbers(), highlightSpecialChars(), lintGutter(), history(), bracketMatching(), highlightActiveLine(),
        highlightActiveLineGutter(), search({ top: true }), EditorView.lineWrapping,
        StreamLanguage.define(toml), syntaxHighlighting(colours), theme,
        keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, ...lintKeymap]),
        EditorView.contentAttributes.of({ "aria-label": label, "aria-describedby": describedBy, spellcheck: "false", tabindex: "0" }),
        EditorView.updateListener.of((update) => {
          const byUser = update.transactions.some((one) => one.docChanged && !one.annotation(SET));
          if (byUser) changed(update.state.doc.toString());
        }),
      ],
    }),
  });

  return {
    get text() { return view.state.doc.toString(); },
    set text(value) {
      if (value === this.text) return;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: value }, annotations: SET.of(true), selection: { anchor: 0 } });
    },
    /** Marks lines: `[{line, sentence}]`, counted from 1. */
    mark(problems) {
      const found = problems.filter((one) => one.line).map(({ line, sentence }) => {
        const { from, to } = view.state.doc.line(Math.min(line, view.state.doc.lines));
        return { from, to, severity: "error", message: sentence };
      });
      view.dispatch(setDiagnostics(view.state, found));
    },
    /** Puts the cursor at the start of a line, and the focus into the editor. */
    goTo(line) {
      const { from } = view.state.doc.line(Math.max(1, Math.min(line, view.state.doc.lines)));
      view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
      view.focus();
    },
  };
}
