import { useId } from "react";

/** One of a few words, side by side: radio buttons, so that arrow keys choose. */
export function Choice<Word extends string>({
  name,
  words,
  value,
  onChange,
}: {
  readonly name: string;
  readonly words: Readonly<Record<Word, string>>;
  readonly value: Word;
  readonly onChange: (word: Word) => void;
}) {
  const group = useId();
  return (
    <fieldset className="choice">
      <legend className="unseen">{name}</legend>
      {(Object.entries(words) as [Word, string][]).map(([word, label]) => (
        <label key={word} className={word === value ? "chosen" : undefined}>
          <input
            type="radio"
            className="unseen"
            name={group}
            checked={word === value}
            onChange={() => onChange(word)}
          />
          {label}
        </label>
      ))}
    </fieldset>
  );
}
