// Buttons and menus.

import * as Radix from "@radix-ui/react-dropdown-menu";
import type { LucideIcon } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";
import { Tip } from "./show";

interface ButtonProps extends Omit<ComponentProps<"button">, "className"> {
  kind?: "plain" | "primary" | "danger" | "quiet";
  icon?: LucideIcon;
  small?: boolean;
}

export function Button({ kind = "plain", icon: Icon, small = false, type = "button", children, ...more }: ButtonProps) {
  return (
    <button className={`button ${kind}${small ? " small" : ""}`} type={type} {...more}>
      {Icon && <Icon />}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ComponentProps<"button">, "className" | "name"> {
  icon: LucideIcon;
  name: string;
  /** In a dialog: a tooltip would lie behind it, and take its Escape. */
  inDialog?: boolean;
}

/** A button that is only a picture: its name is its tooltip. */
export function IconButton({ icon: Icon, name, inDialog = false, ...more }: IconButtonProps) {
  const button = (
    <button className="button quiet icon" type="button" aria-label={name} {...more}>
      <Icon />
    </button>
  );
  return inDialog ? button : <Tip text={name}>{button}</Tip>;
}

export interface Entry {
  title: string;
  icon?: LucideIcon;
  act: () => void;
  destructive?: boolean;
  disabled?: boolean;
}

/** A menu behind a button; `null` draws a line. Not modal, as modal ones write styles into the page. */
export function Menu({ trigger, label, entries }: { trigger: ReactNode; label?: ReactNode; entries: (Entry | null)[] }) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="menu" align="end" sideOffset={4} collisionPadding={8}>
          {label && <div className="label">{label}</div>}
          {entries.map((entry, place) =>
            entry === null ? (
              <hr key={`line ${place}`} />
            ) : (
              <Radix.Item
                key={entry.title}
                className={entry.destructive ? "destructive" : ""}
                disabled={entry.disabled ?? false}
                onSelect={entry.act}
              >
                {entry.icon && <entry.icon />}
                {entry.title}
              </Radix.Item>
            ),
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
