const backslash = 92

/** The position of the quote that ends the JSON string which begins at `start`, or the end of the text. */
export const endOfString = (text: string, start: number): number => {
  for (let end = text.indexOf("\"", start + 1); end !== -1; end = text.indexOf("\"", end + 1)) {
    let escapes = end
    while (text.charCodeAt(escapes - 1) === backslash) {
      escapes--
    }
    // An even number of backslashes escape each other, and the quote stands for itself.
    if ((end - escapes) % 2 === 0) {
      return end
    }
  }
  return text.length
}
