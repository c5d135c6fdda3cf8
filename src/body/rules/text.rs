//! From text to an expression: `EXPRESSION` or `EXPRESSION : "TEXT"`.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue};
use cel::parser::PrattParser;
use cel::parser::pratt_parser::{Lexer, TokenKind};

use super::Mistake;

/// No rule is longer, in bytes.
pub(super) const LONGEST: usize = 2048;
/// Expressions within expressions, as the parser counts them.
const DEEPEST: u16 = 32;
/// No text for clients is longer, in characters.
const LONGEST_TEXT: usize = 160;

/// The expression of a rule, and what to tell clients.
pub(super) fn split(text: &str) -> Result<(&str, String), Mistake> {
    if text.len() > LONGEST {
        let problem = format!("it is longer than {LONGEST} bytes");
        return Err(Mistake::new(problem));
    }
    if text.contains('\0') {
        return Err(Mistake::new("it contains a NUL byte"));
    }
    let Some(colon) = last_colon(text) else {
        return Ok((text.trim(), String::new()));
    };
    let literal = parse(text[colon + 1..].trim()).ok();
    match literal.map(|literal| literal.expr) {
        Some(Expr::Literal(LiteralValue::String(told))) => {
            let told = told.into_inner();
            let plain = !told.is_empty() && !told.contains(char::is_control);
            match plain && told.chars().count() <= LONGEST_TEXT {
                true => Ok((text[..colon].trim(), told)),
                false => Err(Mistake::new(format!(
                    "the text for clients must be one line of at most {LONGEST_TEXT} characters"
                ))),
            }
        }
        _ => Err(Mistake::new(
            "the text behind the last colon must be in quotes",
        )),
    }
}

/// The colon outside of brackets that belongs to no `?`.
fn last_colon(text: &str) -> Option<usize> {
    let mut lexer = Lexer::new(text);
    let (mut depth, mut open, mut last) = (0_usize, 0_usize, None);
    loop {
        let token = lexer.lex();
        match token.kind {
            TokenKind::TokEnd | TokenKind::TokError => return last,
            TokenKind::TokLeftParen | TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => {
                depth += 1;
            }
            TokenKind::TokRightParen | TokenKind::TokRightBracket | TokenKind::TokRightBrace => {
                depth = depth.saturating_sub(1);
            }
            TokenKind::TokQuestion if depth == 0 => open += 1,
            TokenKind::TokColon if depth == 0 => match open.checked_sub(1) {
                Some(rest) => open = rest,
                None => last = Some(token.start),
            },
            _ => {}
        }
    }
}

/// Parses an expression. The parser is the library's second one: it takes a small part of the other's
/// time and stack.
pub(super) fn parse(source: &str) -> Result<IdedExpr, Mistake> {
    let parser = PrattParser::new().max_recursion_depth(DEEPEST);
    parser.parse(source).map_err(|errors| {
        let first = errors.errors.into_iter().next();
        let (message, (line, column)) = first.map_or_else(
            || ("it has a mistake".to_owned(), (0, 0)),
            |error| (error.msg, error.pos),
        );
        let message = message.trim_start_matches("Syntax error: ");
        Mistake::new(match (line, column) {
            (..1, _) | (_, ..1) => format!("not an expression in CEL: {message}"),
            (1, column) => format!("not an expression in CEL: {message} (character {column})"),
            (line, column) => {
                format!("not an expression in CEL: {message} (line {line}, character {column})")
            }
        })
    })
}
